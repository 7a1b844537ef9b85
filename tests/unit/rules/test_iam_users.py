"""Names and paths of IAM users."""

from __future__ import annotations

import pytest

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.iam_users import check_user


@pytest.mark.parametrize("name", ["a", "codespaces-payments", "x" * 64, "A_+=,.@-9"])
@pytest.mark.parametrize("path", ["/", "/codespaces/", "/a/b/", f"/{'x' * 510}/"])
def test_what_iam_takes(name: str, path: str) -> None:
    check_user(name, path)


@pytest.mark.parametrize("name", ["", "x" * 65, "with space", "zahlungen-ä", "a/b", "a:b", "name\n"])
def test_names_that_iam_refuses(name: str) -> None:
    with pytest.raises(RuleViolation, match="Set user_name to a valid name") as refused:
        check_user(name, "/")
    assert refused.value.argument == "user_name"
    assert f"user_name {name!r} ({len(name)} characters)" in str(refused.value)


@pytest.mark.parametrize(
    "path", ["", "codespaces", "/codespaces", "codespaces/", f"/{'x' * 511}/", "/a b/", "/ä/", "//"]
)
def test_paths_that_iam_refuses(path: str) -> None:
    with pytest.raises(RuleViolation, match="it must begin and end with /") as refused:
        check_user("name", path)
    assert refused.value.argument == "user_path"
