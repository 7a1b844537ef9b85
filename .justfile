# Tasks: https://just.systems. Each is one command that works without just, too.

# what to run while writing: linters and the product's unit tests
check: quick
    tests/run.sh unit/test_quality.py

quick *arguments:
    tests/run.sh --quick {{arguments}}

unit *arguments:
    tests/run.sh unit {{arguments}}

engine *arguments:
    tests/run.sh engine {{arguments}}

pythons *arguments:
    tests/pythons.sh {{arguments}}

campaign *arguments:
    tests/campaign.sh {{arguments}}

# what is generated from the code
[working-directory: 'components']
docs:
    python -m pulumi_codespaces.package_schema
    python -m pulumi_codespaces.program.schema > stack-config.schema.json
