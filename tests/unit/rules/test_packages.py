"""Access to packages from a codespace, its reasons, and the steps left to do by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.packages import (
    AccessPath,
    Click,
    Package,
    Reader,
    access_path,
    check_package,
    clicks,
    differences,
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


@pytest.mark.parametrize(
    ("changes", "argument", "why"),
    [
        (
            {"kind": "contaner"},
            "package_type",
            "must be one of container, npm, nuget, rubygems; did you mean 'container'?",
        ),
        ({"kind": "maven"}, "package_type", "everybody who can read the repository can read them"),
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
        ("web", "private", ["package base/image is linked to web, but repository images is declared"]),
        (None, "public", ["package base/image is linked to no repository, but repository images is declared",
                          "package base/image is public, but private is declared"]),
    ],
)  # fmt: skip
def test_where_a_package_is_not_as_declared(linked_to, visibility, texts):
    sentences = differences(BASE, linked_to, visibility)
    assert [sentence.split(" (")[0] for sentence in sentences] == texts
