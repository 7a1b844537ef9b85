"""Programs with `EcrPullAccess`, and the contents and requests of both clouds after a run."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rig.aws import DEFAULT_ACCOUNT, DEFAULT_REGION
from rig.codespace import Codespace, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rig.aws.calls import AwsCall
    from rig.cloud import LocalCloud
    from rig.stack import Outcome, Stack

HOST = f"{DEFAULT_ACCOUNT}.dkr.ecr.{DEFAULT_REGION}.amazonaws.com"
API, WEB, BASE = (f"{HOST}/{name}:latest" for name in ("payments/api", "payments/web", "shared/base"))
USER, PASSWORD, SERVER = (f"PAYMENTS_CONTAINER_REGISTRY_{part}" for part in ("USER", "PASSWORD", "SERVER"))
IAM_USER = "codespaces-payments"
_SECRETS = "/codespaces/secrets/"


def access(name: str = "payments", *, opts: str = "None", **arguments: Any) -> str:
    """The lines that declare one `EcrPullAccess`; `opts` and values wrapped in `Code` are Python."""
    given = {"ecr_repositories": ["payments/api"], "selected_repositories": ["web"], **arguments}
    items = ", ".join(f"{key!r}: {value!r}" for key, value in given.items() if value is not None)
    variable = name.replace("-", "_")
    return (
        f"{variable} = codespaces.EcrPullAccess({name!r}, {{{items}}}, {opts})\n"
        f"pulumi.export({name!r}, {variable}.summary)\n"
    )


def ecr_program(before: str = "", **arguments: Any) -> str:
    """A program whose `EcrPullAccess` payments lets codespaces of acme/web pull payments/api."""
    return f"import pulumi\nimport pulumi_codespaces as codespaces\n{before}{access(**arguments)}"


class Code(str):
    """Python that goes into a program unquoted."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


# -- what is there


def keys(cloud: LocalCloud, user: str = IAM_USER) -> dict[str, str]:
    """The access keys of the user, id -> status, oldest first."""
    return {key.id: key.status for key in cloud.aws.access_keys(user)}


def published(cloud: LocalCloud, name: str = USER, organization: str = "acme") -> str:
    """The access key that codespaces get."""
    return cloud.github.organization(organization).secrets[name].value


def secret_values(cloud: LocalCloud) -> set[str]:
    """The credentials that both clouds issued or received; none may ever be printed in clear."""
    found = {
        secret.value
        for organization in cloud.github.cloud.organizations.values()
        for name, secret in organization.secrets.items()
        if name.endswith("_PASSWORD")
    }
    return found | {cloud.environment["GITHUB_TOKEN"], cloud.environment["AWS_SECRET_ACCESS_KEY"]}


def checkpoint(stack: Stack) -> list[dict[str, Any]]:
    """The resources in the state, read from the backend's file."""
    return json.loads(stack.state_file.read_text())["checkpoint"]["latest"].get("resources") or []


def in_state(stack: Stack, name: str) -> dict[str, Any]:
    """The only resource in the state with this name."""
    (found,) = [resource for resource in checkpoint(stack) if resource["urn"].rsplit("::", 1)[-1] == name]
    return found


def edit_state(stack: Stack, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Change the resources in the state, as a person would with `pulumi stack export` and `import`."""
    state = json.loads(stack.run("stack", "export").output)
    state["deployment"]["resources"] = change(state["deployment"]["resources"])
    path = stack.folder / "edited.json"
    path.write_text(json.dumps(state))
    stack.run("stack", "import", "--file", str(path))


def steps(preview: Outcome) -> dict[str, str]:
    """The steps of a preview, resource -> operation; a replacement counts once."""
    found: dict[str, str] = {}
    for step in preview.steps:
        name = step["urn"].rsplit("::", 1)[-1]
        found[name] = "replace" if "replace" in step["op"] else step["op"]
    return found


# -- what was asked


def writes(cloud: LocalCloud) -> list[str]:
    """The requests since the last call that change either cloud, in order of arrival; clears them."""
    found: list[tuple[float, str]] = [
        (request.at.timestamp(), _aws(request))
        for request in cloud.aws.requests
        if request.written and request.service == "iam"
    ]
    found += [
        (request.at, f"{request.method} {request.path.partition(_SECRETS)[2]}")
        for request in cloud.github.requests
        if request.method != "GET"
    ]
    cloud.aws.clear_requests()
    cloud.github.clear_requests()
    return [text for _, text in sorted(found, key=lambda timed: timed[0])]


def _aws(call: AwsCall) -> str:
    detail = call.parameters.get("AccessKeyId") or call.parameters.get("Status") or ""
    return call.action if call.action == "CreateAccessKey" else f"{call.action} {detail}".strip()


# -- who can pull


@dataclass
class Watch:
    """Asks, after every change of either cloud, whether a codespace that starts now can pull.

    Attributes:
        images: what it must be able to pull.
        proven: the access keys that have logged in to ECR; None if a key may be published before it has.
        outages: the failures that were seen, except between the writes of a user and its password.
        changes: what happened, in order.
    """

    cloud: LocalCloud
    images: tuple[str, ...]
    proven: set[str] | None
    repository: str = "acme/web"
    outages: list[str] = field(default_factory=list[str])
    changes: list[str] = field(default_factory=list[str])

    def __call__(self, event: Any) -> None:
        what = f"{event.kind} {event.name}"
        self.changes.append(what)
        self.outages += [
            f"{what}: {name} has {len(user.access_keys)} keys"
            for name, user in self.cloud.aws.users().items()
            if len(user.access_keys) > 2
        ]
        if event.name.endswith("_CONTAINER_REGISTRY_USER"):
            return
        for image in self.images:
            pull = judge(self.cloud.github, self.cloud.aws, self.repository, image)
            if not pull.ok:
                self.outages.append(f"{what}: {image}: {pull.reason}")
        if self.proven is not None:
            calls = list(self.cloud.aws.requests)
            self.proven |= {
                request.access_key_id
                for request in calls
                if request.action == "GetAuthorizationToken" and request.status == 200
            }
            unproven = _published_keys(self.cloud) - self.proven
            self.outages += [f"{what}: {key} is published and was never proven" for key in unproven]


@contextmanager
def watching(cloud: LocalCloud, *images: str, proven: bool = True) -> Iterator[Watch]:
    """Watch both clouds, and fail at the end if there was an outage.

    Args:
        cloud: where acme/web has a triple that works; its key counts as proven.
        images: what codespaces must be able to pull all the time.
        proven: whether a key must log in to ECR before it is published.
    """
    watch = Watch(cloud, images or (API,), _published_keys(cloud) if proven else None)
    cloud.github.observers.append(watch)
    cloud.aws.observers.append(watch)
    try:
        yield watch
    finally:
        cloud.github.observers.remove(watch)
        cloud.aws.observers.remove(watch)
    assert watch.outages == []


def _published_keys(cloud: LocalCloud) -> set[str]:
    return {
        secret.value
        for organization in cloud.github.cloud.organizations.values()
        for name, secret in organization.secrets.items()
        if name.endswith("_CONTAINER_REGISTRY_USER")
    }


def can_pull(cloud: LocalCloud, repository: str = "acme/web", image: str = API) -> bool:
    """Whether a codespace that starts now pulls an image, over the network."""
    with cloud_codespace(cloud, repository) as codespace:
        return codespace.pull(image).ok


def cloud_codespace(cloud: LocalCloud, repository: str = "acme/web") -> Codespace:
    """A codespace that starts now; it ends with the cloud."""
    return cloud.start_codespace(repository)
