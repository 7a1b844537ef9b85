"""The registries of the local AWS: ECR's doors, the layers behind them, other registries, and the proxy to them all."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest

from rig.aws import AwsRefused, Credentials, LocalAws, build_image, parse_ecr_host, parse_image
from rig.aws.oci import MANIFEST_TYPE, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNT, OTHER_ACCOUNT = "123456789012", "222233334444"
REGION, OTHER_REGION = "eu-west-1", "us-east-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
PUSH = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
]
NAME = "team/a"
ARN = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{NAME}"

needs_docker = pytest.mark.skipif(not shutil.which("docker"), reason="there is no docker command")
needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="there is no skopeo")


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalAws]:
    repositories = {REGION: {NAME: ["latest"], "team/b": ["latest"]}, OTHER_REGION: {NAME: ["latest"]}}
    seed = {
        "accounts": {
            ACCOUNT: {"repositories": repositories},
            OTHER_ACCOUNT: {"repositories": {REGION: {"shared/base": ["v1"]}}},
        },
        "registries": {
            "acme.azurecr.io": {"user": "pull", "password": "azure", "repositories": ["team/app"]},
            "ghcr.io": {"user": "bot", "password": "hub", "repositories": ["acme/app"]},
        },
    }
    with LocalAws(seed=seed) as aws:
        yield aws


@pytest.fixture
def aws(shared: LocalAws) -> Iterator[LocalAws]:
    shared.clear_requests()
    shared.refused_hosts.clear()
    yield shared
    shared.faults.clear()
    shared.observers.clear()
    shared.clock = lambda: datetime.now(timezone.utc)


@pytest.fixture
def user(aws: LocalAws) -> str:
    name = f"user-{uuid4().hex[:12]}"
    aws.create_user(name, path="/codespaces/")
    permit(aws, name, PULL, [ARN])
    return name


@pytest.fixture
def key(aws: LocalAws, user: str) -> Credentials:
    return aws.create_access_key(user)


@pytest.fixture
def token(aws: LocalAws, key: Credentials) -> str:
    return token_for(aws, key)


@pytest.fixture
def client(aws: LocalAws) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=aws.ca_file)
    with httpx.Client(proxy=aws.proxy_url, verify=context, trust_env=False) as client:
        yield client


def permit(aws: LocalAws, user: str, actions: list[str], resources: list[str], effect: str = "Allow") -> None:
    login = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    statement = {"Effect": effect, "Action": actions, "Resource": resources}
    aws.put_user_policy(user, "pull", {"Version": "2012-10-17", "Statement": [login, statement]})


def token_for(aws: LocalAws, key: Credentials, region: str = REGION) -> str:
    data = aws.client("ecr", key=key, region=region).get_authorization_token()["authorizationData"]
    return base64.b64decode(data[0]["authorizationToken"]).decode().removeprefix("AWS:")


def manifest_url(host: str = HOST, name: str = NAME, reference: str = "latest") -> str:
    return f"https://{host}/v2/{name}/manifests/{reference}"


def login(token: str, user: str = "AWS") -> httpx.BasicAuth:
    return httpx.BasicAuth(user, token)


def denied(response: httpx.Response) -> str:
    assert response.status_code == 403
    error = response.json()["errors"][0]
    assert error["code"] == "DENIED"
    return str(error["message"])


# -- tokens


def test_a_token_looks_like_ecrs(aws: LocalAws, key: Credentials) -> None:
    before = datetime.now(timezone.utc)
    data = aws.client("ecr", key=key).get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert user == "AWS"
    assert 1_700 <= len(password) <= 2_000
    assert json.loads(base64.b64decode(password))["type"] == "DATA_KEY"
    assert data["proxyEndpoint"] == f"https://{HOST}"
    assert timedelta(hours=12) <= data["expiresAt"] - before < timedelta(hours=12, minutes=1)
    assert token_for(aws, key) != password


def test_without_a_token_ecr_challenges_as_ecr_does(client: httpx.Client, token: str) -> None:
    challenge = f'Basic realm="https://{HOST}/",service="ecr.amazonaws.com"'
    for auth in (None, login("wrong"), login(token, "somebody"), login(token[:-1])):
        response = client.get(f"https://{HOST}/v2/", auth=auth)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, challenge)
    ok = client.get(f"https://{HOST}/v2/", auth=login(token))
    assert (ok.status_code, ok.headers["docker-distribution-api-version"]) == (200, "registry/2.0")


def test_an_access_key_is_no_password(client: httpx.Client, key: Credentials) -> None:
    for auth in (httpx.BasicAuth(key.access_key_id, key.secret_access_key), login(key.secret_access_key)):
        assert client.get(f"https://{HOST}/v2/", auth=auth).status_code == 401


def test_a_token_opens_the_registries_of_its_region_only(client: httpx.Client, aws: LocalAws, key: Credentials) -> None:
    elsewhere = f"{ACCOUNT}.dkr.ecr.{OTHER_REGION}.amazonaws.com"
    other_account = f"{OTHER_ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    here, there = token_for(aws, key), token_for(aws, key, OTHER_REGION)
    assert client.get(f"https://{elsewhere}/v2/", auth=login(here)).status_code == 400
    assert client.get(f"https://{elsewhere}/v2/", auth=login(there)).status_code == 200
    assert client.get(f"https://{other_account}/v2/", auth=login(here)).status_code == 200


def test_a_token_expires(client: httpx.Client, aws: LocalAws, token: str, key: Credentials) -> None:
    text = "Your authorization token has expired. Reauthenticate and try again."
    now = datetime.now(timezone.utc)
    aws.clock = lambda: now + timedelta(hours=11, minutes=59)
    assert client.get(manifest_url(), auth=login(token)).status_code == 200
    aws.clock = lambda: now + timedelta(hours=12, minutes=1)
    assert denied(client.get(manifest_url(), auth=login(token))) == text
    aws.clock = lambda: now
    fresh = token_for(aws, key)
    aws.expire_tokens()
    assert denied(client.get(f"https://{HOST}/v2/", auth=login(fresh))) == text
    assert client.get(manifest_url(), auth=login(token_for(aws, key))).status_code == 200


def test_each_call_is_authorized_anew(
    client: httpx.Client, aws: LocalAws, user: str, key: Credentials, token: str
) -> None:
    def status() -> int:
        return client.get(manifest_url(), auth=login(token)).status_code

    def ping() -> int:
        return client.get(f"https://{HOST}/v2/", auth=login(token)).status_code

    assert status() == 200
    permit(aws, user, ["*"], ["*"], "Deny")
    refused = denied(client.get(manifest_url(), auth=login(token)))
    arn = aws.users()[user].arn
    why = "with an explicit deny in an identity-based policy"
    assert refused == f"User: {arn} is not authorized to perform: ecr:BatchGetImage on resource: {ARN} {why}"
    permit(aws, user, PULL, [ARN])
    assert status() == 200
    aws.set_access_key_status(user, key.access_key_id, "Inactive")
    assert (ping(), status()) == (403, 403)
    aws.set_access_key_status(user, key.access_key_id, "Active")
    assert (ping(), status()) == (200, 200)
    aws.delete_access_key(user, key.access_key_id)
    assert (ping(), status()) == (403, 403)


# -- rights and images


def test_the_repository_in_the_host_names_account_and_region_counts(
    client: httpx.Client, aws: LocalAws, user: str, key: Credentials
) -> None:
    here, there = login(token_for(aws, key)), login(token_for(aws, key, OTHER_REGION))
    elsewhere = f"{ACCOUNT}.dkr.ecr.{OTHER_REGION}.amazonaws.com"
    assert client.get(manifest_url(), auth=here).status_code == 200
    refused = denied(client.get(manifest_url(name="team/b"), auth=here))
    assert refused.endswith("because no identity-based policy allows the ecr:BatchGetImage action")
    assert f"arn:aws:ecr:{OTHER_REGION}:{ACCOUNT}:repository/{NAME}" in denied(
        client.get(manifest_url(elsewhere), auth=there)
    )
    permit(aws, user, PULL, [ARN, ARN.replace(REGION, OTHER_REGION)])
    assert client.get(manifest_url(elsewhere), auth=there).status_code == 200
    assert [(call.action, call.status, call.error) for call in aws.registry_requests] == [
        ("BatchGetImage", 200, ""),
        ("BatchGetImage", 403, "DENIED"),
        ("BatchGetImage", 403, "DENIED"),
        ("BatchGetImage", 200, ""),
    ]
    assert {call.access_key_id for call in aws.registry_requests} == {key.access_key_id}


def test_another_accounts_image_needs_its_repository_policy(
    client: httpx.Client, aws: LocalAws, user: str, token: str
) -> None:
    url = manifest_url(f"{OTHER_ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com", "shared/base", "v1")
    permit(aws, user, PULL, [f"arn:aws:ecr:{REGION}:{OTHER_ACCOUNT}:repository/shared/*"])
    denied(client.get(url, auth=login(token)))
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    share = {"Effect": "Allow", "Principal": principal, "Action": PULL}
    document = {"Version": "2012-10-17", "Statement": [share]}
    aws.set_repository_policy("shared/base", document, account=OTHER_ACCOUNT)
    assert client.get(url, auth=login(token)).status_code == 200


def test_what_is_not_there_is_not_found(client: httpx.Client, aws: LocalAws, user: str, token: str) -> None:
    permit(aws, user, PULL, ["*"])
    for url, code in (
        (manifest_url(reference="unknown"), "MANIFEST_UNKNOWN"),
        (manifest_url(name="team/unknown"), "NAME_UNKNOWN"),
        (f"https://{HOST}/v2/{NAME}/blobs/sha256:{'0' * 64}", "BLOB_UNKNOWN"),
        (f"https://{HOST}/v2/nonsense", "UNSUPPORTED"),
    ):
        response = client.get(url, auth=login(token))
        assert (response.status_code, response.json()["errors"][0]["code"]) == (404, code)


def test_layers_come_from_a_bucket_without_the_token(client: httpx.Client, aws: LocalAws, token: str) -> None:
    image = build_image(f"{HOST}/{NAME}:latest\n")
    manifest = client.get(manifest_url(), auth=login(token))
    assert (manifest.content, manifest.headers["content-type"]) == (image.manifest, MANIFEST_TYPE)
    assert manifest.headers["docker-content-digest"] == image.digest
    for digest, content in image.blobs.items():
        redirect = client.get(f"https://{HOST}/v2/{NAME}/blobs/{digest}", auth=login(token))
        url = redirect.headers["location"]
        assert redirect.status_code == 307
        assert url.startswith(f"https://prod-{REGION}-starport-layer-bucket.s3.{REGION}.amazonaws.com/")
        assert client.get(url).content == content
        assert client.get(url, auth=login(token)).status_code == 400
        assert client.get(url.replace(digest, f"sha256:{'0' * 64}")).status_code == 403
        now = datetime.now(timezone.utc)
        aws.clock = lambda now=now: now + timedelta(minutes=61)
        assert client.get(url).status_code == 403
        aws.clock = lambda: datetime.now(timezone.utc)


def test_the_layers_right_is_asked_for(client: httpx.Client, aws: LocalAws, user: str, token: str) -> None:
    permit(aws, user, ["ecr:BatchGetImage"], [ARN])
    assert client.get(manifest_url(), auth=login(token)).status_code == 200
    layer = next(iter(build_image(f"{HOST}/{NAME}:latest\n").blobs))
    assert "ecr:GetDownloadUrlForLayer" in denied(
        client.get(f"https://{HOST}/v2/{NAME}/blobs/{layer}", auth=login(token))
    )


def test_a_push_needs_its_rights_and_arrives(client: httpx.Client, aws: LocalAws, user: str, token: str) -> None:
    auth = login(token)
    image = build_image("pushed over the wire")
    uploads = f"https://{HOST}/v2/{NAME}/blobs/uploads/"
    assert "ecr:InitiateLayerUpload" in denied(client.post(uploads, auth=auth))
    permit(aws, user, PUSH, [ARN])
    kinds: list[str] = []
    aws.observers.append(lambda event: kinds.append(f"{event.kind} {event.name}"))
    for digest, content in image.blobs.items():
        assert client.head(f"https://{HOST}/v2/{NAME}/blobs/{digest}", auth=auth).status_code == 404
        location = client.post(uploads, auth=auth).headers["location"]
        url = httpx.URL(uploads).join(location)
        client.patch(url, content=content, auth=auth).raise_for_status()
        assert client.put(url.copy_merge_params({"digest": digest}), auth=auth).status_code == 201
        assert client.head(f"https://{HOST}/v2/{NAME}/blobs/{digest}", auth=auth).status_code == 200
    headers = {"content-type": MANIFEST_TYPE}
    assert (
        client.put(manifest_url(reference="v2"), content=image.manifest, headers=headers, auth=auth).status_code == 201
    )
    assert kinds == [f"image.pushed {NAME}"]
    denied(client.get(manifest_url(reference="v2"), auth=auth))
    registry = parse_ecr_host(HOST)
    assert registry is not None
    found = aws.find_image(registry, NAME, "v2")
    assert found is not None
    assert (found.digest, found.broken) == (image.digest, ())


def test_a_blob_is_not_mounted_from_a_repository_that_may_not_be_read(
    client: httpx.Client, aws: LocalAws, user: str, token: str
) -> None:
    permit(aws, user, PUSH, [ARN])
    layer = next(iter(build_image(f"{HOST}/team/b:latest\n").blobs))
    query = {"mount": layer, "from": "team/b"}
    response = client.post(f"https://{HOST}/v2/{NAME}/blobs/uploads/", params=query, auth=login(token))
    assert response.status_code == 202
    assert client.head(f"https://{HOST}/v2/{NAME}/blobs/{layer}", auth=login(token)).status_code == 404


def test_an_image_needs_a_repository(aws: LocalAws) -> None:
    with pytest.raises(AwsRefused, match="NAME_UNKNOWN"):
        aws.push_image("not/there")


def test_faults_can_be_ordered_for_registry_calls(client: httpx.Client, aws: LocalAws, token: str) -> None:
    aws.faults.add("BatchGetImage", "throttle", status=429, service="registry")
    aws.faults.add("BatchGetImage", "reset_before", service="registry")
    aws.faults.add("BatchGetImage", "denied")
    throttled = client.get(manifest_url(), auth=login(token))
    assert (throttled.status_code, throttled.json()["errors"][0]["code"]) == (429, "TOOMANYREQUESTS")


def test_the_connection_to_a_registry_can_break(client: httpx.Client, aws: LocalAws, token: str) -> None:
    aws.faults.add("Login", "reset_before", service="registry")
    with pytest.raises(httpx.TransportError):
        client.get(f"https://{HOST}/v2/", auth=login(token))
    assert client.get(f"https://{HOST}/v2/", auth=login(token)).status_code == 200


# -- names, certificates, the proxy


@pytest.mark.parametrize(
    ("host", "account", "region", "partition"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", ACCOUNT, "eu-west-1", "aws"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", ACCOUNT, "us-gov-west-1", "aws-us-gov"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", ACCOUNT, "cn-north-1", "aws-cn"),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", ACCOUNT, "eusc-de-east-1", "aws-eusc"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", ACCOUNT, "eu-west-1", "aws"),
    ],
)
def test_ecr_hosts_are_known_in_their_forms(host: str, account: str, region: str, partition: str) -> None:
    registry = parse_ecr_host(host)
    assert registry is not None
    assert (registry.account, registry.region, registry.partition) == (account, region, partition)


@pytest.mark.parametrize(
    "host",
    [
        "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.example",
        "123456789012.ecr.eu-west-1.amazonaws.com",
        "public.ecr.aws",
        "",
    ],
)
def test_other_hosts_are_not(host: str) -> None:
    assert parse_ecr_host(host) is None


def test_the_proxy_leads_to_registries_only(client: httpx.Client, aws: LocalAws) -> None:
    for url in ("https://github.com/", "https://evil.acme.azurecr.io/", "https://s3.eu-west-1.amazonaws.com/"):
        with pytest.raises(httpx.ProxyError, match="403"):
            client.get(url)
    with pytest.raises(httpx.ProxyError, match="403"):
        client.get(f"https://{HOST}:8443/v2/")
    assert client.get("http://example.com/").status_code == 403
    assert aws.refused_hosts == [
        "github.com:443",
        "evil.acme.azurecr.io:443",
        "s3.eu-west-1.amazonaws.com:443",
        f"{HOST}:8443",
        "http://example.com/",
    ]


def test_only_the_rigs_own_authority_vouches_for_the_names(aws: LocalAws) -> None:
    with httpx.Client(proxy=aws.proxy_url, trust_env=False) as stranger, pytest.raises(httpx.ConnectError):
        stranger.get(f"https://{HOST}/v2/")
    bundle = aws.bundle_file.read_text()
    assert bundle.startswith(aws.ca_file.read_text())


def test_open_connections_do_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    with LocalAws() as aws:
        context = ssl.create_default_context(cafile=aws.ca_file)
        silent = socket.create_connection(("127.0.0.1", int(aws.proxy_url.rpartition(":")[2])))
        client = httpx.Client(proxy=aws.proxy_url, verify=context, trust_env=False)
        assert client.get(f"https://{HOST}/v2/").status_code == 401
    silent.close()
    client.close()
    assert caplog.records == []


def test_the_environment_is_enough_for_a_client_that_reads_it(
    aws: LocalAws, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    assert httpx.get(f"https://{HOST}/v2/", auth=login(token)).status_code == 200
    import boto3

    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert boto3.client("sts").get_caller_identity()["Account"] == ACCOUNT
    assert boto3.client("ecr").meta.region_name == REGION


# -- other registries


def test_a_registry_with_basic_authentication(client: httpx.Client, aws: LocalAws) -> None:
    url = "https://acme.azurecr.io/v2/"
    challenge = client.get(url)
    assert (challenge.status_code, challenge.headers["www-authenticate"]) == (401, 'Basic realm="acme.azurecr.io"')
    assert client.get(url, auth=("pull", "wrong")).status_code == 401
    assert client.get(url, auth=("pull", "azure")).status_code == 200
    manifest = f"{url}team/app/manifests/latest"
    assert client.get(manifest, auth=("pull", "azure"), headers={"accept": MANIFEST_TYPE}).status_code == 200
    denied(client.get(f"{url}team/other/manifests/latest", auth=("pull", "azure")))
    registry = aws.registries.find("acme.azurecr.io")
    assert registry is not None
    registry.password = "new"
    assert client.get(url, auth=("pull", "azure")).status_code == 401
    registry.password = "azure"


def test_a_registry_with_tokens(client: httpx.Client) -> None:
    url = "https://ghcr.io/v2/acme/app/manifests/latest"
    challenge = client.get(url)
    asked = 'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:acme/app:pull"'
    assert (challenge.status_code, challenge.headers["www-authenticate"]) == (401, asked)

    def token(*repositories: str) -> str:
        scopes = [("scope", f"repository:{name}:pull") for name in repositories]
        answer = client.get("https://ghcr.io/token", params=[("service", "ghcr.io"), *scopes], auth=("bot", "hub"))
        return str(answer.json()["token"])

    assert client.get("https://ghcr.io/token", auth=("bot", "wrong")).status_code == 401
    allowed = {"authorization": f"Bearer {token('acme/app', 'acme/other')}", "accept": MANIFEST_TYPE}
    assert client.get(url, headers=allowed).status_code == 200
    other = client.get(url.replace("acme/app", "acme/other"), headers=allowed)
    assert (other.status_code, 'error="insufficient_scope"' in other.headers["www-authenticate"]) == (401, True)
    assert client.get(url, headers={"authorization": f"Bearer {token()}"}).status_code == 401
    assert client.get(url, auth=("bot", "hub")).status_code == 401


def test_the_name_of_an_image_is_read_as_docker_reads_it() -> None:
    def parts(name: str) -> tuple[str, str, str]:
        image = parse_image(name)
        return image.host, image.repository, image.reference

    digest = f"sha256:{'0' * 64}"
    assert parts(f"{HOST}/team/a:v1") == (HOST, "team/a", "v1")
    assert parts(f"{HOST}/team/a") == (HOST, "team/a", "latest")
    assert parts(f"{HOST}/team/a:v1@{digest}") == (HOST, "team/a", digest)
    assert parts("alpine") == ("index.docker.io", "library/alpine", "latest")
    assert parts("acme/app:2") == ("index.docker.io", "acme/app", "2")
    assert parts("docker.io/acme/app") == ("index.docker.io", "acme/app", "latest")
    assert parts("localhost:5000/app") == ("localhost:5000", "app", "latest")
    with pytest.raises(ValueError, match="image 'Not An Image': expected host/repository:tag"):
        parse_image("Not An Image")


# -- real clients


def run(aws: LocalAws, folder: Path, *command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DOCKER_CONFIG": str(folder),
        "DOCKER_HOST": f"unix://{folder}/none.sock",
        **aws.environment,
    }
    return subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)


def docker_login(aws: LocalAws, folder: Path, user: str, password: str, server: str) -> Any:
    (folder / "config.json").write_text('{"auths": {"nothing.invalid": {}}}')
    return run(aws, folder, "docker", "login", "--username", user, "--password-stdin", server, given=password)


@needs_docker
def test_docker_login(aws: LocalAws, token: str, tmp_path: Path) -> None:
    done = docker_login(aws, tmp_path, "AWS", token, HOST)
    assert (done.returncode, done.stdout) == (0, "Login Succeeded\n")
    stored = json.loads((tmp_path / "config.json").read_text())["auths"][HOST]["auth"]
    assert base64.b64decode(stored).decode() == f"AWS:{token}"
    refused = docker_login(aws, tmp_path, "AWS", "wrong", HOST)
    assert refused.returncode == 1
    assert f"login attempt to https://{HOST}/v2/ failed with status: 401 Unauthorized" in refused.stderr
    elsewhere = docker_login(aws, tmp_path, "AWS", token, HOST.replace(REGION, OTHER_REGION))
    assert "failed with status: 400 Bad Request" in elsewhere.stderr


@needs_docker
def test_docker_login_to_other_registries(aws: LocalAws, tmp_path: Path) -> None:
    aws.registries.add("index.docker.io", "hub-user", "hub-password")
    assert docker_login(aws, tmp_path, "pull", "azure", "acme.azurecr.io").returncode == 0
    assert docker_login(aws, tmp_path, "bot", "hub", "ghcr.io").returncode == 0
    assert docker_login(aws, tmp_path, "hub-user", "hub-password", "https://index.docker.io/v1/").returncode == 0
    for user, password, server in (
        ("pull", "wrong", "acme.azurecr.io"),
        ("bot", "wrong", "ghcr.io"),
        ("hub-user", "wrong", "https://index.docker.io/v1/"),
    ):
        assert docker_login(aws, tmp_path, user, password, server).returncode == 1
    assert aws.refused_hosts == []


@needs_skopeo
def test_skopeo_pulls_and_pushes(aws: LocalAws, user: str, token: str, tmp_path: Path) -> None:
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {HOST: {"auth": base64.b64encode(f"AWS:{token}".encode()).decode()}}}))
    image, folder = f"docker://{HOST}/{NAME}", f"dir:{tmp_path}/image"
    copy = ("skopeo", "copy", "--authfile", str(auth))
    assert run(aws, tmp_path, *copy, f"{image}:latest", folder).returncode == 0
    assert digest_of((tmp_path / "image/manifest.json").read_bytes()) == build_image(f"{HOST}/{NAME}:latest\n").digest
    assert "403 (Forbidden)" in run(aws, tmp_path, *copy, folder, f"{image}:copied").stderr
    permit(aws, user, [*PUSH, *PULL], [ARN])
    assert run(aws, tmp_path, *copy, folder, f"{image}:copied").returncode == 0
    tags = next(
        repository.tags for repository in aws.repositories() if (repository.name, repository.region) == (NAME, REGION)
    )
    assert "copied" in tags
