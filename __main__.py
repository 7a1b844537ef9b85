from pulumi_codespaces.program import deploy

deploy()
