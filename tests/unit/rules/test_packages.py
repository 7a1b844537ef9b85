"""Who may read a package from a codespace, by what, and what is left to do by hand."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import replace

import pytest

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.packages import (
    AccessPath,
    Click,
    Package,
    Reader,
    access_path,
    asks_for,
    check_package,
    clicks,
    differences,
    permission_block,
    read_devcontainer,
    without_comments,
)

BASE = Package("acme", "container", "base/image", "images", "private", inherits=True)
URL = "https://github.com/orgs/acme/packages/container/base%2Fimage/settings"


@pytest.mark.parametrize(
    ("package", "reader", "path"),
    [
        (BASE, Reader("images", public=False), AccessPath.SAME_REPOSITORY),
        (BASE, Reader("Images", public=True), AccessPath.SAME_REPOSITORY),
        (replace(BASE, inherits=False), Reader("images", public=False), AccessPath.BY_HAND),
        (BASE, Reader("web", public=False), AccessPath.BY_HAND),
        (BASE, Reader("web", public=False, asks=True), AccessPath.DEVCONTAINER),
        (BASE, Reader("web", public=False, asks=False), AccessPath.BY_HAND),
        (replace(BASE, inherits=False), Reader("web", public=False, asks=True), AccessPath.BY_HAND),
        (replace(BASE, visibility="internal"), Reader("web", public=False), AccessPath.INTERNAL),
        (replace(BASE, visibility="internal"), Reader("site", public=True), AccessPath.BY_HAND),
        (replace(BASE, visibility="internal"), Reader("site", public=True, asks=True), AccessPath.DEVCONTAINER),
        (replace(BASE, visibility="public"), Reader("site", public=True), AccessPath.PUBLIC),
    ],
)
def test_the_cases_of_the_guide(package, reader, path):
    assert access_path(package, reader) is path


def test_what_is_left_to_click():
    access_paths = {"web": AccessPath.BY_HAND, "api": AccessPath.BY_HAND, "images": AccessPath.SAME_REPOSITORY}
    assert clicks(BASE, access_paths, linked=False, same_visibility=False) == [
        Click("Connect repository: acme/images", URL),
        Click("Danger Zone, Change visibility: private", URL),
        Click("Inherit access from source repository: on (GitHub does not tell whether it is)", URL),
        Click("Manage Codespaces access, Add repository: acme/api", URL),
        Click("Manage Codespaces access, Add repository: acme/web", URL),
    ]
    assert (
        clicks(replace(BASE, visibility="internal"), {"web": AccessPath.INTERNAL}, linked=True, same_visibility=True)
        == []
    )


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
    with pytest.raises(RuleViolation, match=r"devcontainer\.json is no JSON"):
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
    """Whoever may write to a repository can put it there, and every preview reads it."""
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


@pytest.mark.parametrize(
    ("changes", "argument", "why"),
    [
        (
            {"kind": "contaner"},
            "package_type",
            "must be one of container, npm, nuget, rubygems; did you mean 'container'?",
        ),
        ({"kind": "maven"}, "package_type", "who may read the repository may read them"),
        ({"visibility": "secret"}, "visibility", "must be one of private, internal, public"),
        ({"name": ""}, "package", "write its name without the organization"),
        ({"name": "a b"}, "package", "write its name without the organization"),
        ({"repository": ""}, "repository", "repository is missing"),
    ],
)
def test_packages_that_cannot_be(changes, argument, why):
    with pytest.raises(RuleViolation) as caught:
        check_package(replace(BASE, **changes))
    assert caught.value.argument == argument
    assert why in str(caught.value)


def test_packages_that_can_be():
    check_package(BASE)
    check_package(replace(BASE, repository="", inherits=False))


@pytest.mark.parametrize(
    ("linked_to", "visibility", "texts"),
    [
        ("images", "private", []),
        ("Images", "private", []),
        ("web", "private", ["package base/image is linked to web, and repository images is declared"]),
        (None, "public", ["package base/image is linked to no repository, and repository images is declared",
                          "package base/image is public, and private is declared"]),
    ],
)  # fmt: skip
def test_where_a_package_is_not_as_declared(linked_to, visibility, texts):
    sentences = differences(BASE, linked_to, visibility)
    assert [sentence.split(" (")[0] for sentence in sentences] == texts
