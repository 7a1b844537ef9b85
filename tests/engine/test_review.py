"""`codespaces review` on real previews: what the comments on three pull requests say, and what they must never say.

The comments are in docs/review; `WRITE_COMMENTS=1` writes them anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from rig.stack import COMPONENTS, REPOSITORY

from .ecr_programs import Code, access, secret_values

COMMENTS = REPOSITORY / "docs/review"
TOPICS = "payments = codespaces.RepositorySelection('payments', {'names': %r})\n"
AZURE = (
    "codespaces.RegistryLogin('azure', {'server': 'acme.azurecr.io', 'user': 'pull', 'verify': False,\n"
    "    'password': pulumi.Output.secret('canary-of-azure'), 'selected_repositories': payments})\n"
)


def program(names=("web", "docs"), *, azure=True, **arguments):
    given = {"selected_repositories": Code("payments"), **arguments}
    return (
        "import pulumi\nimport pulumi_codespaces as codespaces\n"
        f"{TOPICS % list(names)}{access('payments-prod', **given)}{AZURE if azure else ''}"
    )


def review(stack, *arguments):
    """What the command says of a preview, and its exit code; it has nothing but the preview."""
    printed = stack.run("preview", "--json", "--show-sames", check=False).output
    done = subprocess.run(
        [sys.executable, "-c", "from pulumi_codespaces.cli import main; main()", "review", *arguments],
        input=printed,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(COMPONENTS), "PATH": os.environ["PATH"]},
    )
    assert done.stderr == ""
    return done.stdout, done.returncode


def compare(name, comment):
    """Hold a comment against the one that is committed."""
    file = COMMENTS / f"{name}.md"
    if os.environ.get("WRITE_COMMENTS"):
        file.write_text(comment)
    assert comment == file.read_text()
    assert len(comment.splitlines()) <= 40  # a screen


def sentences(stack, program):
    """The risks by code, and the other sentences, of a preview of a program; no secret is in anything printed."""
    stack.write(program)
    shown, code = review(stack, "--format", "json")
    assert code == 0
    found = json.loads(shown)
    return [(one["risk"], one["text"]) for one in found["risks"]], [one["text"] for one in found["changes"]]


def test_three_pull_requests_and_what_else_can_happen(cloud, new_cloud_stack):
    stack = new_cloud_stack(program())
    stack.up()
    canaries = secret_values(cloud) | {"canary-of-azure"}

    stack.write(program(("web", "docs", "api")))
    comment, code = review(stack, "--fail-on", "any")
    compare("a-repository-joins", comment)
    assert code == 0

    stack.write(program(ecr_repositories=["payments/api", "shared/*"]))
    comment, code = review(stack, "--fail-on", "wider-policy")
    compare("a-policy-is-widened", comment)
    assert code == 3

    stack.write(program(key_generation=2))
    comment, code = review(stack, "--fail-on", "any")
    compare("a-rotation", comment)
    assert code == 0

    stack.up()
    rotates = "The key of `codespaces-payments-prod` rotates from generation 2 to 3; codespaces running now keep "
    rotates += "working until the next rotation. The key from before the last rotation is deleted."
    cloud.github.organization("acme").create_repository("site", visibility="public")
    opened = "`acme/site` is public; whoever may write to it can read the secrets."
    joins = "`acme/site` may pull from `acme.azurecr.io` and `123456789012.dkr.ecr.eu-west-1.amazonaws.com`."
    assert sentences(stack, program(("web", "docs", "site"), key_generation=3)) == (
        [("public-repository", opened)],
        [joins, rotates],
    )
    risks, changes = sentences(stack, program(key_generation=2, keep_previous_key=False))
    assert ([code for code, _ in risks], changes) == (["retired-key"], [])
    everybody = {"selected_repositories": None, "visibility": Code("codespaces.Visibility.ALL")}
    risks, changes = sentences(stack, program(key_generation=2, suspended=True, azure=False, **everybody))
    assert ([code for code, _ in risks], changes) == (["wider-visibility", "secrets-deleted", "suspended"], [])

    stack.write("import pulumi\n")
    shown, _ = review(stack)
    assert shown.partition("<details>")[0].count("are deleted") == 2
    assert [value for value in canaries if value in shown] == []

    stack.write(program(("web", "dosc")))
    shown, code = review(stack, "--format", "text")
    assert code == 1
    assert shown.startswith("risk (failed-preview): The preview failed: payments: ")
    assert "did you mean" in shown
