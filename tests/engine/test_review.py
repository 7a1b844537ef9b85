"""`codespaces review` on real previews: the comments on three pull requests, and the secrets that they must not have.

The comments are in docs/review; `WRITE_COMMENTS=1` rewrites them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from rig.stack import COMPONENTS, REPOSITORY

from .ecr_programs import Code, access, checkpoint, secret_values

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
    """The output and exit code of the command, which gets nothing but the preview."""
    printed = stack.run("preview", "--json", "--show-sames", check=False).output
    done = subprocess.run(
        [sys.executable, "-c", "from pulumi_codespaces.tools.cli import main; main()", "review", *arguments],
        input=printed,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(COMPONENTS), "PATH": os.environ["PATH"]},
    )
    assert done.stderr == ""
    return done.stdout, done.returncode


def compare(name, comment):
    """Compare a comment with the committed file."""
    file = COMMENTS / f"{name}.md"
    if os.environ.get("WRITE_COMMENTS"):
        file.write_text(comment)
    assert comment == file.read_text()
    assert len(comment.splitlines()) <= 40  # a screen


def sentences(stack, program):
    """The risks (code, text) and the other sentences of a program's preview; asserts that no secret is printed."""
    stack.write(program)
    shown, code = review(stack, "--format", "json")
    assert code == 0
    found = json.loads(shown)
    return [(risk["risk"], risk["text"]) for risk in found["risks"]], [change["text"] for change in found["changes"]]


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
    opened = "`acme/site` is public; everybody with write access can read the secrets."
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

    stack.write(program(("web", "dosc"), key_generation=2))
    shown, code = review(stack, "--format", "text")
    assert code == 1
    assert shown.startswith("risk (failed-preview): The preview failed: payments: ")
    assert "did you mean" in shown


def test_what_the_component_does_not_do_itself(cloud, new_cloud_stack):
    """The program grants permissions, the update creates a repository, and a key is replaced."""
    head = "import json\nimport pulumi\nimport pulumi_aws as aws\nimport pulumi_github\n"
    head += "import pulumi_codespaces as codespaces\n"
    declared = access("payments-prod", selected_repositories=Code("payments"))
    chosen = "payments = codespaces.RepositorySelection('payments', {'names': ['web'], 'ids': {%s}})\n"
    stack = new_cloud_stack(head + chosen % "" + declared)
    stack.up()
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"

    made = "new = pulumi_github.Repository('new', name='acme-new', visibility='public')\n"
    unknown = f"Who may pull `payments/api` from `{host}` is known only after the update; before, `acme/web` could."
    opened = "`acme/new` is public; everybody with write access can read the secrets."
    assert sentences(stack, head + made + chosen % "'new': new.repo_id" + declared) == (
        [("public-repository", opened)],
        [unknown],
    )

    name = "codespaces-payments-prod"
    statement = "{'Effect': 'Allow', 'Action': 's3:*', 'Resource': '*'}"
    document = f"json.dumps({{'Version': '2012-10-17', 'Statement': [{statement}]}})"
    admin = "arn:aws:iam::aws:policy/AdministratorAccess"
    given = (
        f"more = aws.iam.Policy('more', policy={document})\n"
        f"aws.iam.UserPolicyAttachment('more', user={name!r}, policy_arn=more.arn)\n"
        f"aws.iam.UserPolicyAttachment('all', user={name!r}, policy_arn={admin!r})\n"
    )
    may = f"`{name}` also has the permissions of the policy `{admin}`, in codespaces of `acme/web`; this review "
    may += "does not show what they allow."
    wider = f"`{name}` may now do more than pull, in codespaces of `acme/web`."
    assert sentences(stack, head + chosen % "" + declared + given) == (
        [("wider-policy", may), ("wider-policy", wider)],
        [],
    )

    stack.write(head + chosen % "" + declared)
    (key,) = [resource["urn"] for resource in checkpoint(stack) if resource["type"] == "aws:iam/accessKey:AccessKey"]
    stack.run("state", "taint", "--yes", key)
    shown, _ = review(stack, "--format", "json")
    text = (
        f"The key of `{name}` (slot a) is replaced without a rotation: codespaces running now can no longer pull from "
    )
    assert json.loads(shown)["risks"] == [{"text": f"{text}`{host}` until they are restarted.", "risk": "replaced-key"}]
