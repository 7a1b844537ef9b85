"""`codespaces access` and `codespaces verify` on a stack of the real engine, run in its folder."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest

from rig.github.state import Team

from .ecr_programs import HOST, IAM_USER, access, published, secret_values

AZURE = "acme.azurecr.io"
PASSWORD = "CANARY-azure-password"
LOGIN = (
    f"codespaces.RegistryLogin('azure', {{'server': '{AZURE}', 'user': 'pull', 'probe_images': ['team/app'],\n"
    f"    'password': pulumi.Output.secret('{PASSWORD}'), 'visibility': codespaces.Visibility.PRIVATE}})\n"
)
WITH_IMAGE = {"probe_images": ["payments/api:latest"], "ecr_repositories": ["payments/api", "shared/base"]}
EU = f"arn:aws:ecr:eu-west-1:{HOST[:12]}:repository/"


def program(**arguments):
    return (
        "import pulumi\nimport pulumi_codespaces as codespaces\n"
        f"{access(selected_repositories=['web', 'docs'], **WITH_IMAGE, **arguments)}{LOGIN}"
    )


class Tools:
    """The commands, in the folder of a stack; asserts that they print no secret."""

    def __init__(self, stack, cloud):
        self.stack = stack
        self.secrets = secret_values(cloud) | {PASSWORD}

    def __call__(self, *arguments, text=None, before=""):
        """Run a command; `before` is Python to run first."""
        done = subprocess.run(
            [sys.executable, "-c", f"{before}\nfrom pulumi_codespaces.tools.cli import main; main()", *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.stack.program_folder,
            env=self.stack.environment,
        )
        assert [value for value in self.secrets if value in done.stdout + done.stderr] == []
        return done.returncode, done.stdout, done.stderr

    def checks(self, *arguments):
        """The exit code, and the state and text of every check by registry."""
        code, shown, said = self("verify", "--format", "json", *arguments)
        assert said == ""
        found = json.loads(shown)
        assert code == (0 if all(registry["ok"] for registry in found) else 1)
        return code, {
            registry["registry"]: {name: (check["state"], check["text"]) for name, check in registry["checks"].items()}
            for registry in found
        }


@pytest.fixture
def azure(cloud):
    made = cloud.aws.registries.add(AZURE, "pull", PASSWORD, ["team/app"])
    made.read_only = True
    return made


def allow(cloud, action, repository):
    statement = {"Effect": "Allow", "Action": action, "Resource": f"{EU}{repository}"}
    cloud.aws.put_user_policy(IAM_USER, "by-hand", {"Version": "2012-10-17", "Statement": [statement]})


RIGHT = {
    "azure": {
        "login": ("ok", "ok"),
        "pull": ("ok", "1 image"),
        "push": ("ok", "refused"),
        "others": ("skipped", "only checked at Amazon ECR"),
    },
    "payments": {
        "login": ("ok", "ok"),
        "pull": ("ok", "1 image, 1 repository"),
        "push": ("ok", "refused"),
        "others": ("ok", "refused"),
    },
}


def test_who_may_pull_and_whether_it_is_so(cloud, azure, new_cloud_stack):
    stack = new_cloud_stack(program())
    stack.up()
    tools = Tools(stack, cloud)
    key = published(cloud)
    exported = stack.run("stack", "export").output

    # -- who may pull what
    code, shown, said = tools("access", "--format", "json", "-", text=exported)
    assert (code, said) == (0, "")
    rows = json.loads(shown)
    made = {row.pop("key_made") for row in rows} - {None}
    assert len(made) == 1
    of_key = {
        "organization": "acme",
        "registry": HOST,
        "pulls": ["payments/api", "shared/base"],
        "suspended": False,
        "secrets": "PAYMENTS",
        "iam_user": IAM_USER,
        "access_key_id": key,
        "age_days": 0,
        "stack": "access/test",
        "visibility": "selected",
    }
    everyone = {
        "organization": "acme",
        "repository": "every private repository",
        "registry": AZURE,
        "pulls": None,
        "suspended": False,
        "secrets": "AZURE",
        "iam_user": None,
        "access_key_id": None,
        "age_days": None,
        "stack": "access/test",
        "visibility": "private",
    }
    assert rows == [{**of_key, "repository": "docs"}, everyone, {**of_key, "repository": "web"}]

    organization = cloud.github.cloud.organizations["acme"]
    organization.repositories["web"].collaborators |= {"alice": "push", "bob": "pull", "carol": "admin"}
    web = organization.repositories["web"].id
    organization.teams["payments"] = Team(organization, 7, "Payments", "payments", repositories={web: "maintain"})
    organization.teams["readers"] = Team(organization, 8, "Readers", "readers", repositories={web: "triage"})
    code, shown, said = tools("access", "--stack", "test", "--writers", "--format", "csv")
    assert (code, said) == (0, "")
    found = list(csv.reader(io.StringIO(shown)))
    header = "organization repository registry pulls secrets iam_user access_key_id key_made age_days stack writers"
    given = [AZURE, "what the credentials allow", "AZURE", "", "", "", "", "access/test"]
    payments = [HOST, "payments/api shared/base", "PAYMENTS", IAM_USER, key, *made, "0", "access/test"]
    writers = "alice carol acme/payments"
    assert found == [
        header.split(),
        ["acme", "api", *given, ""],
        ["acme", "docs", *payments, ""],
        ["acme", "docs", *given, ""],
        ["acme", "infra", *given, ""],
        ["acme", "web", *payments, writers],
        ["acme", "web", *given, writers],
    ]

    # -- whether pulls work
    code, shown, said = tools("verify")
    assert (code, said, shown.splitlines()) == (0, "", [
        "REGISTRY  SERVER                                        LOGIN  PULL                   PUSH     OTHERS",
        "azure     acme.azurecr.io                               ok     1 image                refused  -",
        f"payments  {HOST}  ok     1 image, 1 repository  refused  refused",
        "azure (AZURE): others not checked: only checked at Amazon ECR",
    ])  # fmt: skip
    assert tools.checks() == (0, RIGHT)
    assert tools.checks("--registry", HOST, "--image", f"{HOST}/payments/web", "--unlisted", "payments/web") == (
        1,
        {
            "payments": {
                **RIGHT["payments"],
                "pull": ("wrong", "reading payments/web is refused (403)"),
            }
        },
    )

    allow(cloud, "ecr:InitiateLayerUpload", "payments/api")
    azure.read_only = False
    code, shown, _ = tools("verify")
    assert (code, shown.splitlines()[1:]) == (1, [
        "azure     acme.azurecr.io                               ok     1 image                WRONG  -",
        f"payments  {HOST}  ok     1 image, 1 repository  WRONG  refused",
        "azure (AZURE): push WRONG: a push to team/app is accepted (202; the push was canceled)",
        "azure (AZURE): others not checked: only checked at Amazon ECR",
        "payments (PAYMENTS): push WRONG: a push to payments/api is accepted (202; the push was canceled)",
    ])  # fmt: skip
    assert azure.content.uploads("team/app") == []

    allow(cloud, "ecr:BatchGetImage", "*")
    reads = "reading from codespaces-verify/no-such-repository, which is not listed, is not refused (404)"
    assert tools.checks("--registry", "payments") == (
        1,
        {"payments": {**RIGHT["payments"], "others": ("wrong", reads)}},
    )

    cloud.aws.set_access_key_status(IAM_USER, key, "Inactive")
    azure.password = "another one"
    dead = ("skipped", "the login failed")
    assert tools.checks() == (
        1,
        {
            "azure": {
                **dict.fromkeys(("pull", "push", "others"), dead),
                "login": ("wrong", f"the registry {AZURE} refuses the login (401)"),
            },
            "payments": {
                **dict.fromkeys(("pull", "push", "others"), dead),
                "login": ("wrong", "ecr:GetAuthorizationToken answers UnrecognizedClientException"),
            },
        },
    )


def test_a_suspended_user(cloud, azure, new_cloud_stack):
    stack = new_cloud_stack(program(suspended=True))
    stack.up()
    tools = Tools(stack, cloud)
    suspended = ("skipped", "suspended")
    found = {"login": ("ok", "suspended"), **dict.fromkeys(("pull", "push", "others"), suspended)}
    assert tools.checks("--registry", "PAYMENTS") == (0, {"payments": found})
    rows = list(csv.reader(io.StringIO(tools("access", "--format", "csv")[1])))
    assert [(row[1], row[3]) for row in rows if row[4] == "PAYMENTS"] == [
        ("docs", "nothing (suspended)"),
        ("web", "nothing (suspended)"),
    ]

    (denial,) = [name for name, policy in cloud.aws.policies(IAM_USER).items() if "Deny" in json.dumps(policy)]
    statement = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    cloud.aws.put_user_policy(IAM_USER, denial, {"Version": "2012-10-17", "Statement": [statement]})
    nevertheless = ("wrong", "the user is suspended, but its key still logs in")
    code, found = tools.checks("--registry", "payments")
    assert (code, found["payments"]["login"]) == (1, nevertheless)
