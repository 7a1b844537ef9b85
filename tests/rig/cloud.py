"""GitHub, AWS and codespaces on this machine, together.

In Python: `with LocalCloud(seed) as cloud: …`. As a program, `python -m rig.cloud --environment-file FILE` runs until
SIGINT or SIGTERM; programs that take over FILE use it, and `python -m rig.cloud codespace …` starts codespaces in it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import secrets
import sys
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from typing_extensions import Self

from .aws import DEFAULT_ACCOUNT, DEFAULT_REGION, LocalAws
from .aws.control import snapshot as aws_snapshot
from .aws.environment import read_environment_file, write_environment_file
from .aws.serving import HttpServer, LoopThread, Receive, Scope, Send, end_on_signals
from .codespace import Codespace, Docker, start_codespace
from .github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

ORGANIZATION = "acme"

DEFAULT_SEED: dict[str, Any] = {
    "github": {
        "organizations": {
            ORGANIZATION: {
                "id": 1,
                "plan": "team",
                "repositories": {
                    "web": {"id": 11, "private": True, "topics": ["payments"]},
                    "api": {"id": 12, "private": True, "topics": ["payments"]},
                    "docs": {"id": 13, "private": True},
                    "infra": {"id": 14, "private": True},
                },
            }
        }
    },
    "aws": {
        "accounts": {
            DEFAULT_ACCOUNT: {
                "repositories": {
                    DEFAULT_REGION: {"payments/api": ["latest"], "payments/web": ["latest"], "shared/base": ["latest"]}
                }
            }
        }
    },
}
"""Four repositories in one organization, and three images in one registry."""

_TOKEN_SCOPES = ["admin:org", "repo", "read:packages"]
_DELETE_KEY = re.compile(r"aws iam delete-access-key --user-name (\S+) --access-key-id ([A-Z0-9]+)")
_URL, _TOKEN = "LOCAL_CLOUD_URL", "LOCAL_CLOUD_TOKEN"
# An App takes precedence over a token, and the person's own App is for the real GitHub.
_APP = ("GITHUB_APP_ID", "GITHUB_APP_INSTALLATION_ID", "GITHUB_APP_PEM_FILE")


class LocalCloud:
    """The whole local cloud; use it as a context manager.

    Attributes:
        github: the GitHub stand-in.
        aws: the local AWS.
        organization: the login of the organization in `environment`.
        codespaces: the codespaces that were started with a name.
    """

    def __init__(self, seed: Mapping[str, Any] | None = None, *, docker: Docker = "auto") -> None:
        """Start it.

        Args:
            seed: `{"github": …, "aws": …}`, each as in the README; `DEFAULT_SEED` if left out. Where the part for
                GitHub has no tokens, a classic one with the scopes for everything is made.
            docker: how codespaces log in, see `rig.codespace.Codespace`.

        Raises:
            ValueError: the seed has no organization.
        """
        given = DEFAULT_SEED if seed is None else seed
        github = dict(given.get("github", {}))
        if not github.get("organizations"):
            raise ValueError("seed: github.organizations is empty; the local cloud needs one, e.g. {'acme': {…}}")
        self.organization: str = next(iter(github["organizations"]))
        github.setdefault("tokens", {f"ghp_{secrets.token_hex(18)}": {
            "kind": "classic", "scopes": _TOKEN_SCOPES, "login": "platform",
        }})  # fmt: skip
        self._token: str = next(iter(github["tokens"]), "")
        self._docker: Docker = docker
        self.codespaces: dict[str, Codespace] = {}
        self._numbers = count(1)
        aws = given.get("aws", {})
        self._open = contextlib.ExitStack()
        with contextlib.ExitStack() as opening:
            self.github = opening.enter_context(GitHubStandIn(github))
            self.aws = opening.enter_context(LocalAws([] if aws.get("accounts") else [DEFAULT_ACCOUNT], seed=aws))
            opening.callback(self._close_codespaces)
            self._control = _Control(self)
            opening.callback(self._control.close)
            self._open = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for programs that are to use it: what `pulumi up` needs, and where codespaces can be started."""
        return {
            **self.aws.environment,
            "GITHUB_BASE_URL": f"{self.github.url}/",
            "GITHUB_OWNER": self.organization,
            "GITHUB_TOKEN": self._token,
            _URL: self._control.url,
            _TOKEN: self._control.token,
        }

    def start_codespace(self, repository: str, *, name: str | None = None, user: str | None = None) -> Codespace:
        """Start a codespace; it ends with the cloud.

        Args:
            repository: `organization/name`.
            name: to find it by in `codespaces`; one of that name is ended first.
            user: whose codespace it is.

        Raises:
            KeyError: the repository does not exist.
        """
        codespace = start_codespace(self.github, self.aws, repository, user=user, docker=self._docker)
        name = name or f"{repository}-{next(self._numbers)}"
        before = self.codespaces.pop(name, None)
        if before:
            before.close()
        self.codespaces[name] = codespace
        return codespace

    def delete_named_keys(self, output: str) -> list[str]:
        """Do what the `aws iam delete-access-key` commands in a message do, and give the ids of those keys."""
        commands = sorted(set(_DELETE_KEY.findall(output)))
        for user, key in commands:
            self.aws.delete_access_key(user, key)
        return [key for _, key in commands]

    def _close_codespaces(self) -> None:
        for codespace in self.codespaces.values():
            codespace.close()


class _Control:
    """The port through which other processes start codespaces."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self.token = secrets.token_urlsafe(24)
        self._app = Starlette(
            routes=[
                Route("/codespaces", self._start, methods=["POST"]),
                Route("/codespaces", self._list),
                Route("/codespaces/{name:path}", self._stop, methods=["DELETE"]),
                Route("/codespaces/{name:path}/logins", self._login, methods=["POST"]),
                Route("/codespaces/{name:path}/pulls", self._pull, methods=["POST"]),
                Route("/state", self._state),
            ]
        )
        self._thread = LoopThread("local-cloud")
        self._server = HttpServer(self._guarded)
        self._thread.call(self._server.start())
        self.url = f"http://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        self._thread.call(self._server.stop())
        self._thread.close()

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Request(scope).headers.get("authorization", "")
        known = secrets.compare_digest(given.encode(), f"Bearer {self.token}".encode())
        app: Any = self._app if known else PlainTextResponse(f"{_TOKEN} is not that of this cloud\n", 401)
        await app(scope, receive, send)

    async def _start(self, request: Request) -> Response:
        asked = await request.json()
        repository, name, user = asked["repository"], asked.get("name"), asked.get("user")
        try:
            codespace = await asyncio.to_thread(self._cloud.start_codespace, repository, name=name, user=user)
        except KeyError:
            return PlainTextResponse(f"{repository}: there is no such repository", 404)
        return JSONResponse(_shown(codespace), 201)

    async def _list(self, _: Request) -> Response:
        return JSONResponse({name: _shown(codespace) for name, codespace in self._cloud.codespaces.items()})

    async def _stop(self, request: Request) -> Response:
        codespace = self._cloud.codespaces.pop(request.path_params["name"], None)
        if codespace is None:
            return self._unknown(request)
        codespace.close()
        return Response(status_code=204)

    async def _login(self, request: Request) -> Response:
        codespace = self._cloud.codespaces.get(request.path_params["name"])
        if codespace is None:
            return self._unknown(request)
        await asyncio.to_thread(codespace.resume_login)
        return JSONResponse(_shown(codespace))

    async def _pull(self, request: Request) -> Response:
        codespace = self._cloud.codespaces.get(request.path_params["name"])
        if codespace is None:
            return self._unknown(request)
        asked = await request.json()
        try:
            pull = await asyncio.to_thread(codespace.pull, asked["image"], tool=asked.get("tool", "http"))
        except (ValueError, FileNotFoundError) as error:
            return PlainTextResponse(str(error), 400)
        return JSONResponse(asdict(pull))

    def _unknown(self, request: Request) -> Response:
        there = ", ".join(sorted(self._cloud.codespaces)) or "none"
        return PlainTextResponse(f"{request.path_params['name']}: there is no such codespace; there are: {there}", 404)

    async def _state(self, _: Request) -> Response:
        github = await asyncio.to_thread(self._secrets)
        return JSONResponse({"github": github, "aws": await asyncio.to_thread(aws_snapshot, self._cloud.aws)})

    def _secrets(self) -> dict[str, list[dict[str, Any]]]:
        """The Codespaces secrets of every organization without their values."""
        cloud = self._cloud.github.cloud
        with cloud.lock:
            return {
                home.login: [
                    {
                        "name": secret.name,
                        "visibility": secret.visibility,
                        "repositories": sorted(
                            cloud.repositories_by_id[number].name for number in secret.repository_ids
                        ),
                        "updated_at": secret.updated_at.isoformat(),
                    }
                    for secret in home.secrets.values()
                ]
                for home in cloud.organizations.values()
            }


def _shown(codespace: Codespace) -> dict[str, Any]:
    return {"repository": codespace.repository, "logins": [asdict(login) for login in codespace.logins]}


# -- as a program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cloud, or ask one that runs."""
    parser = argparse.ArgumentParser(prog="python -m rig.cloud", description=__doc__)
    parser.add_argument("--seed", type=Path, help="a JSON file; a small organization and registry if left out")
    parser.add_argument("--environment-file", type=Path, help="where to write the variables for programs: `. FILE`")
    parser.add_argument("--docker", choices=("auto", "cli", "http"), default="auto", help="how codespaces log in")
    commands = parser.add_subparsers(dest="command")
    of_running: dict[str, Any] = {"type": Path, "required": True, "help": "the file that the running cloud wrote"}
    codespace = commands.add_parser("codespace", help="start a codespace in a running cloud, and pull in it")
    codespace.add_argument("--environment-file", **of_running)
    actions = codespace.add_subparsers(dest="action", required=True)
    start = actions.add_parser("start", help="start one, and log in to the registries it has secrets for")
    start.add_argument("repository", help="organization/name")
    start.add_argument("--name", help="to find it by; the repository's if left out")
    start.add_argument("--user", help="for secrets of a user")
    for action, text in (("login", "log in again with the secrets it has"), ("stop", "end it")):
        actions.add_parser(action, help=text).add_argument("name")
    pull = actions.add_parser("pull", help="pull images; 1 if one of them cannot be pulled")
    pull.add_argument("name")
    pull.add_argument("images", metavar="IMAGE", nargs="+")
    pull.add_argument("--tool", choices=("http", "skopeo"), default="http")
    actions.add_parser("list", help="those that run")
    show = commands.add_parser("show", help="the secrets in GitHub and the users and keys in AWS, without their values")
    show.add_argument("--environment-file", **of_running)
    given = parser.parse_args(arguments)
    if given.command is None:
        if given.environment_file is None:
            parser.error("--environment-file is needed: programs find the cloud by it")
        return _run(given)
    variables = read_environment_file(given.environment_file)
    headers = {"authorization": f"Bearer {variables[_TOKEN]}"}
    # No limit: a codespace waits for its logins, and the cloud answers when they are done.
    with httpx.Client(base_url=variables[_URL], headers=headers, timeout=None, trust_env=False) as client:  # noqa: S113
        return _show(client) if given.command == "show" else _CODESPACE_ACTIONS[given.action](client, given)


def _run(given: argparse.Namespace) -> int:
    ended = end_on_signals()
    seed = json.loads(given.seed.read_text(encoding="utf-8")) if given.seed else None
    try:
        with LocalCloud(seed, docker=given.docker) as cloud:
            unset = (*cloud.aws.variables_to_unset, *_APP)
            write_environment_file(given.environment_file, cloud.environment, unset)
            print(
                f"github: {cloud.github.url}\naws: {cloud.aws.endpoint}\nregistries: {cloud.aws.proxy_url}", flush=True
            )
            ended.wait()
    except AssertionError as broken_contract:
        print(broken_contract, file=sys.stderr)
        return 1
    finally:
        given.environment_file.unlink(missing_ok=True)
    return 0


def _start(client: httpx.Client, given: argparse.Namespace) -> int:
    name = given.name or given.repository
    asked = {"repository": given.repository, "name": name, "user": given.user}
    return _print_logins(name, client.post("/codespaces", json=asked))


def _login(client: httpx.Client, given: argparse.Namespace) -> int:
    return _print_logins(given.name, client.post(f"/codespaces/{given.name}/logins"))


def _print_logins(name: str, response: httpx.Response) -> int:
    if response.is_error:
        print(response.text, file=sys.stderr)
        return 2
    logins = response.json()["logins"]
    if not logins:
        print(f"{name}: no registry credentials")
    for login in logins:
        print(f"{name}: login to {login['server']} ({login['prefix']}): {login['reason'] or 'ok'}")
    return 0


def _pull(client: httpx.Client, given: argparse.Namespace) -> int:
    failed = 0
    for image in given.images:
        response = client.post(f"/codespaces/{given.name}/pulls", json={"image": image, "tool": given.tool})
        if response.is_error:
            print(response.text, file=sys.stderr)
            return 2
        pull = response.json()
        failed |= not pull["ok"]
        print(f"{given.name}: pull {image}: {pull['reason'] or 'ok, ' + pull['digest']}")
    return int(failed)


def _stop(client: httpx.Client, given: argparse.Namespace) -> int:
    response = client.delete(f"/codespaces/{given.name}")
    if response.is_error:
        print(response.text, file=sys.stderr)
        return 2
    return 0


def _list(client: httpx.Client, _: argparse.Namespace) -> int:
    for name, codespace in client.get("/codespaces").raise_for_status().json().items():
        logged_in = [login["server"] for login in codespace["logins"] if login["ok"]]
        print(f"{name}: {codespace['repository']}, logged in to {', '.join(logged_in) or 'nothing'}")
    return 0


_CODESPACE_ACTIONS = {"start": _start, "login": _login, "pull": _pull, "stop": _stop, "list": _list}


def _show(client: httpx.Client) -> int:
    state = client.get("/state").raise_for_status().json()
    for organization, contents in state["github"].items():
        print(f"GitHub organization {organization}, Codespaces secrets: {len(contents)}")
        for secret in contents:
            readers = secret["visibility"]
            if readers == "selected":
                readers = ", ".join(secret["repositories"]) or "no repository"
            print(f"  {secret['name']}: {readers}; updated {secret['updated_at']}")
    for account, contents in state["aws"].items():
        users, repositories = contents["users"], contents["repositories"]
        print(f"AWS account {account}, IAM users: {len(users)}, ECR repositories: {len(repositories)}")
        for user in users.values():
            print(f"  user {user['path']}{user['name']}")
            for key in user["access_keys"]:
                print(f"    access key {key['id']}: {key['status']}, created {key['created_at']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
