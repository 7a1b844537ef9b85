"""Programs of one or a few resources, and the contents and requests of GitHub after a run."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rig.github import GitHubStandIn
    from rig.stack import Outcome, Stack

HEAD = "import pulumi\nimport pulumi_codespaces as codespaces\n"
WEB_AND_API = "{'web': 11, 'api': 12}"


def secret_set(
    values: Mapping[str, str],
    repositories: str | None = WEB_AND_API,
    *,
    name: str = "token",
    more: str = "",
    opts: str = "None",
) -> str:
    """The lines that declare a set of secrets; `repositories`, `more` and `opts` are Python."""
    secrets = ", ".join(f"{key!r}: pulumi.Output.secret({value!r})" for key, value in values.items())
    readers = "" if repositories is None else f"'selected_repositories': {repositories}, "
    return f"codespaces.OrganizationSecrets({name!r}, {{'secrets': {{{secrets}}}, {readers}{more}}}, {opts})\n"


def program(values: Mapping[str, str], repositories: str | None = WEB_AND_API, **options: str) -> str:
    """A program with one set of secrets."""
    return HEAD + secret_set(values, repositories, **options)


def triple(
    key: str = "AKIA1", secret: str = "value-1", prefix: str = "PAY", server: str = "acme.azurecr.io"
) -> dict[str, str]:
    """The three secrets of a registry, in no order of use."""
    return {
        f"{prefix}_CONTAINER_REGISTRY_SERVER": server,
        f"{prefix}_CONTAINER_REGISTRY_USER": key,
        f"{prefix}_CONTAINER_REGISTRY_PASSWORD": secret,
    }


USER, PASSWORD, SERVER = (f"PAY_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER"))


def values(github: GitHubStandIn, organization: str = "acme") -> dict[str, str]:
    """The values of the organization's secrets."""
    return {name: secret.value for name, secret in github.organization(organization).secrets.items()}


def readers(github: GitHubStandIn, organization: str = "acme") -> dict[str, tuple[str, set[int]]]:
    """The readers of the organization's secrets: visibility and repository ids."""
    secrets = github.organization(organization).secrets.items()
    return {name: (secret.visibility, set(secret.repository_ids)) for name, secret in secrets}


def writes(github: GitHubStandIn, organization: str = "acme") -> list[str]:
    """The requests since the last call that change the organization's secrets, as `PUT NAME`, in order."""
    prefix = f"/orgs/{organization}/codespaces/secrets/"
    found = [
        f"{request.method} {request.path.removeprefix(prefix)}"
        for request in github.requests
        if request.method != "GET"
    ]
    github.clear_requests()
    return [write for write in found if "/app/installations" not in write]


def urn(name: str, type_: str = "OrganizationSecrets") -> str:
    """The URN of a resource of the stacks here."""
    return f"urn:pulumi:test::access::codespaces:index:{type_}::{name}"


class Clock:
    """A clock that can be set forward, so that the next write gets a later time stamp."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(timezone.utc) + self.ahead

    def later(self, seconds: float = 5) -> None:
        """Let time pass."""
        self.ahead += timedelta(seconds=seconds)


def told(outcome: Outcome) -> str:
    """The text that a person sees; for `preview --json`, the messages without the escapes of JSON."""
    messages = [diagnostic["message"] for diagnostic in outcome.digest.get("diagnostics", [])]
    return "\n".join(messages) or outcome.output


def nowhere(canaries: Iterable[str], stack: Stack, *outcomes: Outcome) -> None:
    """Assert that no canary is in the output of the CLI, nor in clear in its files."""
    stored = [
        path.read_text(errors="replace") for path in stack.folder.joinpath("backend").rglob("*") if path.is_file()
    ]
    said = [outcome.output for outcome in outcomes]
    for canary in canaries:
        assert [text for text in (*said, *stored) if canary in text] == []


def members(stack: Stack, name: str) -> Any:
    """The members of a selection, according to the state."""
    return stack.resource(name)["outputs"]["repositories"]
