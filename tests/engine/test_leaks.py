"""No secret shows: in no output, plan or state, no argument or variable of a process, no temporary file, no request.

The tests read the output of every verbosity below 9; from 9 on, the engine itself prints inputs. They look for every
secret: the token, the App's key, its installation tokens and the JSON Web Tokens that it signs, a registry's password,
the access keys and passwords that AWS issues, and the values that the program marks as secret. They also look for each
of them in the form of an HTTP header.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from campaign.faults import processes
from rig.cloud import DEFAULT_SEED, LocalCloud
from rig.stack import Stack

from .ecr_programs import PASSWORD, USER, ecr_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rig.stack import Outcome

TOKEN, AZURE_PASSWORD, NPM = "ghp_CANARYtokenofprogram", "CANARY-azure-password", "CANARY-npm-token"
AZURE = "acme.azurecr.io"
JSON_WEB_TOKEN = re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")


@pytest.fixture(scope="module")
def pem() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def cloud(pem: str) -> Iterator[LocalCloud]:
    permissions = {"organization_codespaces_secrets": "write", "metadata": "read"}
    github = {
        **DEFAULT_SEED["github"],
        "tokens": {TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo"], "login": "platform"}},
        "apps": {"1234": {"private_key_pem": pem, "installations": {
            "77": {"account": "acme", "permissions": permissions}}}},
    }  # fmt: skip
    with LocalCloud({"github": github, "aws": DEFAULT_SEED["aws"]}, docker="http") as together:
        together.aws.registries.add(AZURE, "puller", AZURE_PASSWORD, ["team/app"])
        yield together


def program(provider: str, **arguments: Any) -> str:
    return ecr_program(
        f"config = pulumi.Config()\ngh = codespaces.Provider('gh', owner='acme', {provider})\n",
        opts="pulumi.ResourceOptions(providers=[gh])",
        **arguments,
    ) + (
        "codespaces.RegistryLogin('azure', {'server': 'acme.azurecr.io', 'user': 'puller', 'password': "
        "config.require_secret('azure'), 'selected_repositories': ['web']}, pulumi.ResourceOptions(providers=[gh]))\n"
        "codespaces.OrganizationSecrets('npm', {'secrets': {'NPM_TOKEN': config.require_secret('npm')}, "
        "'selected_repositories': {'web': 11}}, pulumi.ResourceOptions(provider=gh))\n"
    )


PROVIDERS = {
    "a token": "token=config.require_secret('token')",
    "an App": "app_auth={'id': '1234', 'installation_id': '77', 'pem_file': config.require_secret('pem')}",
}


class Eye:
    """Looks at the processes and the temporary files of a stack at every change of a cloud, while it works."""

    def __init__(self, stack: Stack, temporary: Path) -> None:
        self.stack, self.temporary = stack, temporary
        self.seen: dict[str, str] = {}
        self.looked = 0

    def __call__(self, event: object) -> None:
        self.looked += 1
        for session in {os.getsid(number) for number in self.stack.processes()}:
            for number, role in processes(session):
                for name in ("cmdline", "environ"):
                    try:
                        words = Path(f"/proc/{number}/{name}").read_text().split("\0")
                    except OSError:
                        continue
                    # A language host passes the configuration to a program in these variables.
                    kept = [word for word in words if role != "program" or not word.startswith("PULUMI_CONFIG=")]
                    self.seen[f"{name} of {role} {number}"] = "\n".join(kept)
        for path in self.temporary.rglob("*"):
            if path.is_file():
                self.seen[str(path)] = path.read_text(errors="replace")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_secret_shows_anywhere(cloud, pem, tmp_path, provider):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {name: value for name, value in cloud.environment.items() if name != "GITHUB_TOKEN"}
    stack = Stack(tmp_path / "stack", {**environment, "TMPDIR": str(temporary)}, program(PROVIDERS[provider]))
    # The CLI takes a value with a leading dash for a flag.
    for name, value in (("token", TOKEN), ("pem", f"\n{pem}"), ("azure", AZURE_PASSWORD), ("npm", NPM)):
        stack.configure(name, value, secret=True)
    eye = Eye(stack, temporary)
    cloud.github.observers.append(eye)
    cloud.aws.observers.append(eye)
    loud = ("-v=8", "--logtostderr", "--logflow", "--debug")
    said: list[Outcome] = []
    keys: dict[str, str] = {}

    def run(*arguments: str, check: bool = True) -> None:
        said.append(stack.run(*arguments, check=check))
        published = {name: secret.value for name, secret in cloud.github.organization("acme").secrets.items()}
        if USER in published:
            keys[published[USER]] = published[PASSWORD]

    run("preview", "--diff", *loud)
    run("preview", "--json", "--save-plan", str(tmp_path / "plan.json"))
    run("up", "--yes", "--plan", str(tmp_path / "plan.json"), *loud)
    stack.write(program(PROVIDERS[provider], key_generation=2))
    run("preview", "--json", "--show-reads", "--show-sames")
    cloud.github.faults.add("PUT", f"/orgs/acme/codespaces/secrets/{PASSWORD}", kind="status", status=500, times=None)
    run("up", "--yes", "--skip-preview", *loud, check=False)
    cloud.github.faults.clear()
    assert not said[-1].ok
    cloud.aws.faults.add("GetAuthorizationToken", "denied", times=1)
    run("up", "--yes", *loud)
    run("refresh", "--yes", *loud)
    run("stack", "output", "--json")
    run("stack", "export")
    run("destroy", "--yes", *loud)

    handed_out = cloud.aws.handed_out()
    assert {secret for secret in handed_out if len(secret) == 40} == set(keys.values())
    assert len(keys) == 2
    minted = cloud.github.tokens.installation_tokens()
    assert bool(minted) is (provider == "an App")
    pairs = [("puller", AZURE_PASSWORD), *(("AWS", secret) for secret in handed_out), *keys.items()]
    values = {TOKEN, AZURE_PASSWORD, NPM, pem, pem.splitlines()[5], *handed_out, *minted}
    values |= {base64.b64encode(f"{user}:{password}".encode()).decode() for user, password in pairs}
    texts = {f"output {number}": outcome.output for number, outcome in enumerate(said)} | eye.seen
    texts["plan"] = (tmp_path / "plan.json").read_text()
    texts |= {
        str(path): path.read_text(errors="replace")
        for path in (tmp_path / "stack/backend").rglob("*")
        if path.is_file()
    }
    texts["requests to GitHub"] = "".join(request.raw.decode("latin-1") for request in cloud.github.requests)
    texts["requests to AWS"] = "".join(str(request.parameters) for request in cloud.aws.requests)
    assert sorted({where for where, text in texts.items() for value in values if value in text}) == []
    assert [where for where, text in texts.items() if JSON_WEB_TOKEN.search(text)] == []
    assert eye.looked > 20
    assert {name.split()[2] for name in eye.seen if name.startswith("environ")} >= {"cli", "program", "plugin"}
