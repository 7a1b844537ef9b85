"""Which registries a development container is made of."""

from __future__ import annotations

import contextlib
import json
import time

import pytest

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.devcontainers import (
    Devcontainer,
    asks_for,
    images_in,
    needs_login,
    parse_devcontainer,
    read_devcontainer,
    registries_of,
    without_comments,
)
from pulumi_codespaces.rules.packages import Package, permission_block

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
FOLDER, ROOT = ".devcontainer/devcontainer.json", ".devcontainer.json"


def test_images_and_features():
    text = '{"image": "acme.azurecr.io/app:1", // this one\n "features": {"ghcr.io/a/b:1": {}, "./local": {}},}'
    assert parse_devcontainer(text, FOLDER) == Devcontainer(("acme.azurecr.io/app:1", "ghcr.io/a/b:1", "./local"))


@pytest.mark.parametrize(
    ("path", "content", "files"),
    [
        (FOLDER, {"build": {"dockerfile": "Dockerfile"}}, (".devcontainer/Dockerfile",)),
        (FOLDER, {"dockerFile": "../docker/Dockerfile"}, ("docker/Dockerfile",)),
        (ROOT, {"dockerComposeFile": ["compose.yml", "./dev/compose.yml"]}, ("compose.yml", "dev/compose.yml")),
        (FOLDER, {"dockerComposeFile": "../../other/compose.yml"}, ()),
        (FOLDER, {"dockerFile": "/etc/Dockerfile"}, ()),
        (FOLDER, {"dockerFile": "${localEnv:FILE}"}, ()),
    ],
)
def test_files_that_name_more(path, content, files):
    assert parse_devcontainer(json.dumps(content), path) == Devcontainer((), files)


def test_caches_of_a_build():
    content = {"build": {"cacheFrom": [f"{ECR}/cache"]}}
    assert parse_devcontainer(json.dumps(content), FOLDER) == Devcontainer((f"{ECR}/cache",))


@pytest.mark.parametrize("text", ["[]", "1", '{"image": 1, "build": [], "features": "x", "dockerComposeFile": {}}'])
def test_what_names_nothing(text):
    assert parse_devcontainer(text, FOLDER) == Devcontainer()


@pytest.mark.parametrize("text", ["no", "[" * 100_000])
def test_what_is_no_json(text):
    with pytest.raises(RuleViolation, match=r"^devcontainer\.json is not valid JSON: "):
        parse_devcontainer(text, FOLDER)


DOCKERFILE = f"""
ARG REGISTRY=acme.azurecr.io
FROM --platform=linux/amd64 {ECR}/base:1 AS base
from python:3.12
FROM $REGISTRY/app
COPY --chown=me --from=acme.azurecr.io/tools:2 /a /b
# FROM other.azurecr.io/x
"""
COMPOSE = f"""
services:
  app:
    image: "{ECR}/app:1"
  db: {{}}
  cache:
    image: redis  # acme.azurecr.io/x
    #image: other.azurecr.io/x
"""


def test_images_of_files():
    assert images_in(DOCKERFILE) == [f"{ECR}/base:1", "python:3.12", "$REGISTRY/app", "acme.azurecr.io/tools:2"]
    assert images_in(COMPOSE) == [f"{ECR}/app:1", "redis"]


def test_registries_of_images():
    images = [f"{ECR}/a", f"{ECR}/b:1", "python", "team/app", "docker.io/x/y", "$R/app", "${R}.azurecr.io/x"]
    assert registries_of([*images, "Acme.azurecr.io/x", "localhost:5000/a", "./local"]) == [
        ECR,
        "acme.azurecr.io",
        "localhost:5000",
    ]


@pytest.mark.parametrize(
    ("host", "needs"),
    [
        (ECR, True),
        ("other.azurecr.io", True),
        ("registry.acme.com", True),
        ("europe-west1-docker.pkg.dev", False),
        ("registry.other.com", False),
        ("mcr.microsoft.com", False),
        ("public.ecr.aws", False),
        ("ghcr.io", False),
        ("gcr.io", False),
        ("index.docker.io", False),
    ],
)
def test_what_takes_a_login(host, needs):
    assert needs_login(host, ["registry.acme.com", "ghcr.io", "gcr.io", "https://index.docker.io/v1/"]) == needs


def test_a_known_host_takes_a_login():
    assert needs_login("europe-west1-docker.pkg.dev", ["europe-west1-docker.pkg.dev"])


BASE = Package("acme", "container", "base/image", "images", "private", inherits=True)
DEVCONTAINER = """
// For Codespaces
{
  "image": "ghcr.io/acme/base/image", /* a comment */
  "postCreateCommand": "echo '// no comment' \\"/* nor this */\\"",
  "customizations": {"codespaces": {"repositories": {
    "acme/images": {"permissions": {"packages": "read", "contents": "read",}}, // the last comma
  }}},
}
"""


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        (DEVCONTAINER, True),
        (DEVCONTAINER.replace("acme/images", "ACME/Images"), True),
        (DEVCONTAINER.replace("acme/images", "acme/*"), True),
        (DEVCONTAINER.replace('{"packages": "read", "contents": "read",}', '"read-all"'), True),
        (DEVCONTAINER.replace("acme/images", "acme/others"), False),
        (DEVCONTAINER.replace('"packages": "read", ', ""), False),
        ('{"image": "x"}', False),
        ("[]", False),
        ('{"customizations": {"codespaces": {"repositories": ["acme/images"]}}}', False),
    ],
)
def test_what_a_devcontainer_asks_for(text, asks):
    assert asks_for(text, BASE) is asks


def test_the_block_is_what_is_asked_for():
    assert asks_for(json.dumps(permission_block(BASE)), BASE)


def test_a_devcontainer_that_is_no_json():
    with pytest.raises(RuleViolation, match=r"devcontainer\.json is not valid JSON"):
        asks_for('{"image": }', BASE)


@pytest.mark.parametrize(
    "text",
    [
        '{"image": "ubuntu", ' + "/" * 100_000 + '\n "name": "x"}',
        '{"image": "ubuntu", ' + "// see https://containers.dev //\n" * 5_000 + '"name": "x"}',
        '{"image": "ubuntu", ' + "/* , */ " * 20_000 + ', "name": "x"}',
        '{"image": "ubuntu"' + ", " * 100_000,
        "/*" * 100_000,
        '"' + "\\" * 100_001,
        '"\\' * 50_000,
        "," + " " * 200_000,
    ],
    ids=["slashes", "urls", "commas in comments", "commas", "openings", "backslashes", "texts", "spaces"],
)
def test_no_text_takes_long(text):
    """Anyone who may write to a repository can add the file, and every preview reads it."""
    started = time.process_time()
    with contextlib.suppress(RuleViolation):
        read_devcontainer(text)
    assert time.process_time() - started < 30


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{"a": 1, // one\n}', {"a": 1}),
        ('{"a": [1, /* , ] */ 2, /* } */ ], // ,\n /* , */}', {"a": [1, 2]}),
        ('{"a": ",}", "b": ", ]"}', {"a": ",}", "b": ", ]"}),
        ('{"a": "\\"//", "b": 1}', {"a": '"//', "b": 1}),
        ('// only\n{"a": 1} /* not ended', {"a": 1}),
    ],
)
def test_json_with_comments(text, content):
    assert read_devcontainer(text) == content


def test_comments_are_taken_out_and_texts_stay():
    assert json.loads(without_comments(DEVCONTAINER))["postCreateCommand"] == "echo '// no comment' \"/* nor this */\""
