"""The local AWS as tests and programs use it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import shutil
import string
import tempfile
import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from typing_extensions import Self

from .api import Answer, Api, ask_as_root, error_code, text_of
from .calls import AwsCall, Event
from .child import Emulator
from .control import control
from .core import Authorization, Check, Core, Credentials
from .oci import MANIFEST_TYPE, Image, build_image, digest_of
from .plain_registry import PlainRegistries
from .proxy import Certificates, Proxy
from .registry import EcrRegistry, Registries, parse_ecr_host
from .serving import HttpServer, LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta
    from types import TracebackType

    import httpx

    from .faults import Faults

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "eu-west-1"

_UNSET = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")


class AwsRefused(RuntimeError):
    """AWS refused something that was done from Python.

    Attributes:
        code: AWS's error code.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True)
class AccessKey:
    """An access key as a list shows it."""

    id: str
    status: str
    created_at: str


@dataclass(frozen=True)
class User:
    """An IAM user and all that hangs on it.

    Attributes:
        inline_policies: documents by name.
        attached_policies: documents by ARN.
    """

    name: str
    arn: str
    path: str
    boundary: str | None
    tags: Mapping[str, str]
    inline_policies: Mapping[str, str]
    attached_policies: Mapping[str, str]
    groups: tuple[str, ...]
    access_keys: tuple[AccessKey, ...]


@dataclass(frozen=True)
class Repository:
    """An ECR repository with the tags of its images."""

    name: str
    account: str
    region: str
    arn: str
    policy: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True)
class FoundImage:
    """The result of a pull.

    Attributes:
        digest: of the manifest.
        blobs: digests of configuration and layers.
        broken: the digests whose blobs are missing or have other content.
    """

    digest: str
    blobs: tuple[str, ...]
    broken: tuple[str, ...]


class LocalAws:
    """IAM, STS and ECR on this machine, with the registries that belong to them.

    Use it as a context manager, or call `close`.

    Attributes:
        accounts: the AWS accounts, the first of which is the default everywhere below.
        region: the default Region.
        endpoint: where the APIs are.
        proxy_url: an HTTPS proxy that leads the host names of registries, and nothing else, to this machine.
        ca_file: the certificate of the authority that vouches for those names here.
        bundle_file: the same with what the system trusts, for SSL_CERT_FILE.
        registries: registries other than ECR; `registries.add` puts one behind the proxy.
    """

    def __init__(
        self,
        accounts: Sequence[str] = (DEFAULT_ACCOUNT,),
        *,
        region: str = DEFAULT_REGION,
        seed: Mapping[str, Any] | None = None,
    ) -> None:
        """Start it.

        Args:
            accounts: numbers of the AWS accounts, twelve digits each.
            region: the default Region.
            seed: what is to be there from the start; see the README for its form. Its accounts are added to `accounts`.

        Raises:
            ValueError: an account number is not valid.
            EmulatorDied: MiniStack did not start.
        """
        seed = seed or {}
        given: Mapping[str, Any] = seed.get("accounts", {})
        self.accounts: tuple[str, ...] = tuple(dict.fromkeys([*accounts, *given]))
        for account in self.accounts:
            if not re.fullmatch(r"\d{12}", account):
                raise ValueError(f"accounts: {account!r} is not an AWS account number, which has twelve digits")
        self.region = region
        self._folder = Path(tempfile.mkdtemp(prefix="local-aws-"))
        self._session: Any = None
        self._session_lock = threading.Lock()
        self._open = contextlib.ExitStack()
        self._open.callback(shutil.rmtree, self._folder, ignore_errors=True)
        try:
            self._start()
            self.seed(seed)
        except BaseException:
            self._open.close()
            raise

    def _start(self) -> None:
        emulator = Emulator(self._folder, self.accounts[0], self.region)
        self._open.callback(emulator.close)
        self._administrators = {account: _new_credentials(account) for account in self.accounts}
        self._core = Core(emulator, list(self._administrators.values()))
        self.registries = PlainRegistries(self._core, self._folder / "registries")
        self._open.callback(self.registries.close)
        self._certificates = Certificates(self._folder)
        api, registries = Api(self._core), Registries(self._core, self.registries)
        api.control = control(self)
        self._api_server = api.server = HttpServer(api)
        registry_server = registries.server = HttpServer(registries, self._certificates.server_context())
        self._proxy = Proxy(registries.knows, registry_server.port)
        self._thread = LoopThread("local-aws")
        self._open.callback(self._thread.close)

        async def start() -> None:
            await self._core.open()
            await self._api_server.start()
            await registry_server.start()
            await self._proxy.start()

        async def stop() -> None:
            await self._proxy.stop()
            await self._core.close()
            await asyncio.gather(self._api_server.stop(), registry_server.stop())

        self._thread.call(start())
        self._open.callback(lambda: self._thread.call(stop()))
        self.endpoint = f"http://127.0.0.1:{self._api_server.port}"
        self.proxy_url = f"http://127.0.0.1:{self._proxy.port}"
        self.ca_file = self._certificates.ca_file
        self.bundle_file = self._certificates.bundle_file

    def seed(self, seed: Mapping[str, Any]) -> None:
        """Add what a seed describes, in accounts that are there.

        Args:
            seed: in the form that the README describes.
        """
        for account, settings in seed.get("accounts", {}).items():
            for region, repositories in settings.get("repositories", {}).items():
                for name, tags in repositories.items():
                    self.create_repository(name, account=account, region=region)
                    for tag in tags:
                        self.push_image(name, tag, account=account, region=region)
            for name, role in settings.get("roles", {}).items():
                self.create_role(
                    name, role["trusts"], policy=role.get("policy", "AdministratorAccess"), account=account
                )
        for host, settings in seed.get("registries", {}).items():
            self.registries.add(
                host,
                settings["user"],
                settings["password"],
                settings.get("repositories"),
                challenge=settings.get("challenge"),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it, and everything that it started."""
        self._open.close()

    # -- for programs that are pointed at it

    @property
    def environment(self) -> dict[str, str]:
        """Variables for programs that are to use it, as the administrator of the first account."""
        administrator = self.administrator()
        nothing = str(self._folder / "none")
        return {
            **{f"AWS_ENDPOINT_URL_{service}": self.endpoint for service in ("IAM", "STS", "ECR")},
            "AWS_ACCESS_KEY_ID": administrator.access_key_id,
            "AWS_SECRET_ACCESS_KEY": administrator.secret_access_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            # What a person has in ~/.aws is for the real AWS.
            "AWS_CONFIG_FILE": nothing,
            "AWS_SHARED_CREDENTIALS_FILE": nothing,
            "AWS_EC2_METADATA_DISABLED": "true",
            # The stand-in for Pulumi's AWS plugin repeats as often as the real one, without waiting an hour for it.
            "RIG_AWS_PAUSES": "0.0001",
            "HTTPS_PROXY": self.proxy_url,
            "https_proxy": self.proxy_url,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(self.bundle_file),
        }

    @property
    def variables_to_unset(self) -> tuple[str, ...]:
        """Variables that would lead a program elsewhere."""
        return _UNSET

    def administrator(self, account: str | None = None) -> Credentials:
        """The key of an account's root, which may do everything there."""
        return self._administrators[account or self.accounts[0]]

    def client(
        self, service: str, *, account: str | None = None, region: str | None = None, key: Credentials | None = None
    ) -> Any:
        """A boto3 client, of an account's administrator unless it is given another key."""
        key = key or self.administrator(account)
        with self._session_lock:  # sessions of boto3 are not to be used by two threads at once, its clients are
            self._session = self._session or import_module("boto3.session").Session()
            return self._session.client(
                service,
                region_name=region or self.region,
                endpoint_url=self.endpoint,
                aws_access_key_id=key.access_key_id,
                aws_secret_access_key=key.secret_access_key,
                config=import_module("botocore.config").Config(retries={"total_max_attempts": 1}),
            )

    # -- how it behaves

    @property
    def requests(self) -> list[AwsCall]:
        """The calls of the APIs, in order of arrival; those made by the methods below are not among them."""
        return self._core.requests

    @property
    def registry_requests(self) -> list[AwsCall]:
        """The calls of the registries, in order of arrival."""
        return self._core.registry_requests

    def clear_requests(self) -> None:
        """Forget the calls so far."""
        self._core.requests.clear()
        self._core.registry_requests.clear()

    @property
    def refused_hosts(self) -> list[str]:
        """Where programs wanted to go through the proxy that leads nowhere: what would have left this machine."""
        return self._proxy.refused

    @property
    def faults(self) -> Faults:
        """Faults to order."""
        return self._core.faults

    @property
    def observers(self) -> list[Callable[[Event], object]]:
        """Called after every change and before it is answered, one after the other, in a thread of their own.

        An observer may read everything, over the network too. It must not change anything over the network: the answer
        to that change would wait for the observer to end.
        """
        return self._core.observers

    @property
    def latency(self) -> float:
        """Seconds that every answer takes longer."""
        return self._core.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._core.latency = seconds

    @property
    def new_key_delay(self) -> float:
        """Seconds until a key that is made from now on is accepted; InvalidClientTokenId before that."""
        return self._core.new_key_delay

    @new_key_delay.setter
    def new_key_delay(self, seconds: float) -> None:
        self._core.new_key_delay = seconds

    def accept_keys(self) -> None:
        """Accept every key that was made so far, whatever `new_key_delay` was then."""
        self._core.accept_keys()

    @property
    def clock(self) -> Callable[[], datetime]:
        """Tells the time by which registry tokens expire; signatures are checked by the system's."""
        return self._core.clock

    @clock.setter
    def clock(self, clock: Callable[[], datetime]) -> None:
        self._core.clock = clock

    @property
    def token_lifetime(self) -> timedelta:
        """How long registry tokens that are handed out from now on live."""
        return self._core.tokens.lifetime

    @token_lifetime.setter
    def token_lifetime(self, lifetime: timedelta) -> None:
        self._core.tokens.lifetime = lifetime

    def expire_tokens(self) -> None:
        """End the life of every registry token handed out so far."""
        self._core.tokens.expire_all()

    # -- what is there, read straight from MiniStack

    def users(self, account: str | None = None) -> dict[str, User]:
        """The IAM users of an account by name."""
        found = self._core.emulator.ask("users", account=account or self.accounts[0])["users"]
        return {
            name: User(
                name,
                user["arn"],
                user["path"],
                user["boundary"],
                user["tags"],
                user["inline_policies"],
                user["attached_policies"],
                tuple(user["groups"]),
                tuple(AccessKey(*key) for key in user["access_keys"]),
            )
            for name, user in found.items()
        }

    def access_keys(self, user: str, account: str | None = None) -> tuple[AccessKey, ...]:
        """The access keys of a user, oldest first; raises KeyError for an unknown user."""
        return self.users(account)[user].access_keys

    def policies(self, user: str, account: str | None = None) -> dict[str, dict[str, Any]]:
        """The documents of a user's policies, the inline ones by name and the attached ones by ARN."""
        found = self.users(account)[user]
        return {name: json.loads(text) for name, text in {**found.inline_policies, **found.attached_policies}.items()}

    def managed_policies(self, account: str | None = None) -> dict[str, dict[str, Any]]:
        """The documents of an account's own managed policies by ARN."""
        found = self._core.emulator.ask("managed_policies", account=account or self.accounts[0])["policies"]
        return {arn: json.loads(text) for arn, text in found.items()}

    def repositories(self, account: str | None = None) -> list[Repository]:
        """The ECR repositories of an account, in all Regions."""
        account = account or self.accounts[0]
        found = self._core.emulator.ask("repositories", account=account)["repositories"]
        return [
            Repository(
                repository["name"],
                account,
                repository["region"],
                repository["arn"],
                repository["policy"],
                tuple(repository["tags"]),
            )
            for repository in found
        ]

    def handed_out(self) -> set[str]:
        """Every secret that was handed out so far: of access keys, also of deleted ones, and registry passwords."""
        return {*self._core.emulator.ask("handed_out")["secrets"], *self._core.tokens}

    def authorize(self, access_key_id: str, checks: Sequence[Check], secret: str | None = None) -> Authorization:
        """Whether a key is accepted and what its owner may do, by every policy that bears on it."""
        return self._core.authorize(access_key_id, checks, secret)

    def allows(self, access_key_id: str, action: str, resource: str = "*", region: str | None = None) -> bool:
        """Whether the owner of a key may do one thing."""
        return self._core.allows(access_key_id, action, resource, region or self.region)

    def token_owner(self, registry: EcrRegistry, user: str, password: str) -> str | None:
        """The access key that a registry's password was handed out to; None if that registry takes no such login."""
        token = self._core.tokens.find(password) if user == "AWS" else None
        if token is None or token.region != registry.region or self._core.now() >= token.expires_at:
            return None
        return token.access_key_id

    def find_image(self, registry: EcrRegistry, repository: str, reference: str) -> FoundImage | None:
        """The image of a tag or digest; None if the repository does not have it."""
        answer = self._core.ask(
            "image", account=registry.account, region=registry.region, repository=repository, reference=reference
        )
        if answer["found"] != "image":
            return None
        return FoundImage(answer["digest"], tuple(answer["blobs"]), tuple(answer["broken"]))

    # -- changes by hand: absent from the requests, but the observers get them

    def create_user(self, name: str, *, path: str = "/", account: str | None = None) -> str:
        """Create an IAM user; gives its ARN."""
        return text_of(self._by_hand("iam", "CreateUser", {"UserName": name, "Path": path}, account), "Arn")

    def create_access_key(self, user: str, *, account: str | None = None) -> Credentials:
        """Create an access key of a user."""
        account = account or self.accounts[0]
        body = self._by_hand("iam", "CreateAccessKey", {"UserName": user}, account)
        return Credentials(text_of(body, "AccessKeyId"), text_of(body, "SecretAccessKey"), account)

    def set_access_key_status(self, user: str, key_id: str, status: str, *, account: str | None = None) -> None:
        """Make a key `Active` or `Inactive`."""
        parameters = {"UserName": user, "AccessKeyId": key_id, "Status": status}
        self._by_hand("iam", "UpdateAccessKey", parameters, account)

    def delete_access_key(self, user: str, key_id: str, *, account: str | None = None) -> None:
        """Delete a key."""
        self._by_hand("iam", "DeleteAccessKey", {"UserName": user, "AccessKeyId": key_id}, account)

    def put_user_policy(
        self, user: str, name: str, document: Mapping[str, Any] | str, *, account: str | None = None
    ) -> None:
        """Write an inline policy of a user."""
        parameters = {"UserName": user, "PolicyName": name, "PolicyDocument": _text(document)}
        self._by_hand("iam", "PutUserPolicy", parameters, account)

    def create_role(
        self, name: str, trusts: Sequence[str], *, policy: str = "AdministratorAccess", account: str | None = None
    ) -> str:
        """Create a role with one of AWS's own policies; gives its ARN.

        Args:
            name: of the role.
            trusts: account numbers, or ARNs of principals, that may assume it.
            policy: name of AWS's policy.
            account: where the role is.
        """
        account = account or self.accounts[0]
        principals = [f"arn:aws:iam::{principal}:root" if principal.isdigit() else principal for principal in trusts]
        trust = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"}
        document = _text({"Version": "2012-10-17", "Statement": [trust]})
        self._by_hand("iam", "CreateRole", {"RoleName": name, "AssumeRolePolicyDocument": document}, account)
        arn = f"arn:aws:iam::aws:policy/{policy}"
        self._by_hand("iam", "AttachRolePolicy", {"RoleName": name, "PolicyArn": arn}, account)
        return f"arn:aws:iam::{account}:role/{name}"

    def create_repository(
        self, name: str, *, account: str | None = None, region: str | None = None, tags: Mapping[str, str] | None = None
    ) -> str:
        """Create an ECR repository; gives its ARN."""
        given = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
        body = self._by_hand("ecr", "CreateRepository", {"repositoryName": name, "tags": given}, account, region)
        arn: str = json.loads(body)["repository"]["repositoryArn"]
        return arn

    def set_repository_policy(
        self, name: str, document: Mapping[str, Any] | str, *, account: str | None = None, region: str | None = None
    ) -> None:
        """Write the policy of an ECR repository."""
        parameters = {"repositoryName": name, "policyText": _text(document)}
        self._by_hand("ecr", "SetRepositoryPolicy", parameters, account, region)

    def push_image(
        self,
        repository: str,
        tag: str = "latest",
        *,
        account: str | None = None,
        region: str | None = None,
        content: str | None = None,
    ) -> Image:
        """Push a small real image, as an administrator.

        Args:
            repository: the ECR repository, which must be there.
            tag: the tag that is to lead to the image.
            account: of the repository.
            region: of the repository.
            content: of the one file in the image; the image's name if left out.

        Raises:
            AwsRefused: the repository does not exist.
        """
        registry = EcrRegistry(account or self.accounts[0], region or self.region)
        image = build_image(content or f"{registry.host}/{repository}:{tag}\n")
        base = f"/v2/{repository}"
        for digest, blob in image.blobs.items():
            self._push(
                registry, "POST", f"{base}/blobs/uploads/?digest={quote(digest)}", "application/octet-stream", blob
            )
        call = AwsCall(self._core.now(), "registry", "PutImage", account=registry.account, region=registry.region)
        call.parameters = {"repositoryName": repository, "reference": tag, "host": registry.host}
        with self._changing(call):
            self._push(registry, "PUT", f"{base}/manifests/{quote(tag)}", MANIFEST_TYPE, image.manifest)
        assert image.digest == digest_of(image.manifest)
        return image

    def _push(self, registry: EcrRegistry, method: str, path: str, media_type: str, content: bytes) -> None:
        async def send() -> httpx.Response:
            headers = {"host": registry.host, "content-type": media_type}
            url = f"{self._core.emulator.url}{path}"
            return await self._core.upstream.request(method, url, headers=headers, content=content)

        _raise_if_refused(self._thread.call(send()), f"push to {registry.host}")

    def _by_hand(
        self, service: str, action: str, parameters: Mapping[str, Any], account: str | None, region: str | None = None
    ) -> bytes:
        account = account or self.accounts[0]
        call = AwsCall(self._core.now(), service, action, account=account, region=region or self.region)
        call.parameters = dict(parameters)
        with self._changing(call):
            work = ask_as_root(
                self._core.upstream, self._core.emulator.url, account, call.region, service, action, parameters
            )
            response = self._thread.call(work)
            _raise_if_refused(response, action)
            if action == "CreateAccessKey":
                call.parameters["AccessKeyId"] = text_of(response.content, "AccessKeyId")
                self._core.key_created(call.parameters["AccessKeyId"], account)
        return response.content

    @contextlib.contextmanager
    def _changing(self, call: AwsCall) -> Any:
        self._core.change_begins()
        try:
            yield
        finally:
            self._core.change_ends()
        self._core.tell_from_outside(call)


def _new_credentials(account: str) -> Credentials:
    key_id = "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
    secret = "".join(secrets.choice(string.ascii_letters + string.digits + "+/") for _ in range(40))
    return Credentials(key_id, secret, account)


def _raise_if_refused(response: httpx.Response, what: str) -> None:
    if response.status_code >= 400:
        code = error_code(Answer(response.status_code, response.content)) or str(response.status_code)
        raise AwsRefused(code, f"{what}: {response.text}")


def _text(document: Mapping[str, Any] | str) -> str:
    return document if isinstance(document, str) else json.dumps(document, separators=(",", ":"))


__all__ = [
    "DEFAULT_ACCOUNT",
    "DEFAULT_REGION",
    "AccessKey",
    "AwsRefused",
    "FoundImage",
    "LocalAws",
    "Repository",
    "User",
    "parse_ecr_host",
]
