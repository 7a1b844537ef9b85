"""aws.iam.getPolicyDocument: statements in, JSON out.

Order of keys and of items is that of terraform-provider-aws (`internal/service/iam/policy_model.go`), so that a program
gets the same text from both plugins.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from .documents import in_go_style
from .failures import ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .values import Properties

_VERSION = "2012-10-17"
_OLD_VERSION = "2008-10-17"
_ORDER = (
    ("Sid", None), ("Effect", None), ("Action", "actions"), ("NotAction", "notActions"), ("Resource", "resources"),
    ("NotResource", "notResources"), ("Principal", "principals"), ("NotPrincipal", "notPrincipals"),
    ("Condition", "conditions"),
)  # fmt: skip


def make(arguments: Mapping[str, Any]) -> Properties:
    """The result of the function.

    Raises:
        ProviderError: a Sid is used twice, or a document is not a valid one.
    """
    merged: dict[str, Any] = {}
    _merge_sources(merged, arguments.get("sourcePolicyDocuments") or [])
    version = arguments.get("version") or _VERSION
    own = {"Version": version, "Id": arguments.get("policyId")}
    _merge(merged, {**own, "Statement": _statements(arguments.get("statements") or [], version)})
    for index, text in enumerate(arguments.get("overridePolicyDocuments") or []):
        _merge(merged, _document(text, f"override document {index}"))
    document = {key: merged[key] for key in ("Version", "Id", "Statement") if merged.get(key)}
    text = in_go_style(json.dumps(document, indent=2, ensure_ascii=False))
    return {
        **arguments,
        "id": str(zlib.crc32(text.encode())),
        "json": text,
        "minifiedJson": in_go_style(json.dumps(document, separators=(",", ":"), ensure_ascii=False)),
        "version": version,
    }


def _merge_sources(merged: dict[str, Any], texts: Iterable[str]) -> None:
    seen: set[str] = set()
    for index, text in enumerate(texts):
        document = _document(text, f"source document {index}")
        for statement in document["Statement"]:
            sid = statement.get("Sid")
            if sid in seen:
                raise ProviderError(
                    f"writing IAM Policy Document: merging source document {index}: duplicate Sid ({sid}) in "
                    "source_policy_documents. Remove the Sid or ensure Sids are unique."
                )
            if sid:
                seen.add(sid)
        _merge(merged, document)


def _merge(merged: dict[str, Any], document: Mapping[str, Any]) -> None:
    if document.get("Id"):
        merged["Id"] = document["Id"]
    merged["Version"] = max(merged.get("Version") or "", document.get("Version") or "")
    statements: list[dict[str, Any]] = merged.setdefault("Statement", [])
    for statement in document["Statement"]:
        sid = statement.get("Sid")
        same = next((index for index, each in enumerate(statements) if sid and each.get("Sid") == sid), None)
        if same is None:
            statements.append(statement)
        else:
            statements[same] = statement


def _document(text: str, what: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ProviderError(f"writing IAM Policy Document: merging {what}: {error}") from None
    statements = document.get("Statement") or []
    statements = [statements] if isinstance(statements, dict) else statements
    ordered = [{key: each[key] for key, _ in _ORDER if each.get(key)} for each in statements]
    return {**document, "Statement": ordered}


def _statements(given: Iterable[Mapping[str, Any]], version: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    seen: set[str] = set()
    for each in given:
        sid = each.get("sid")
        if sid in seen:
            raise ProviderError(
                f"writing IAM Policy Document: duplicate Sid ({sid}). Remove the Sid or ensure the Sid is unique."
            )
        if sid:
            seen.add(sid)
        made.append(_statement(each, version))
    return made


def _statement(given: Mapping[str, Any], version: str) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": given.get("sid"), "Effect": given.get("effect") or "Allow"}
    for key, name in _ORDER:
        values = given.get(name) if name else None
        if not values:
            continue
        if key in ("Action", "NotAction"):
            statement[key] = _one_or_sorted(values)
        elif key in ("Resource", "NotResource"):
            statement[key] = _one_or_sorted([_with_variables(value, version) for value in values])
        elif key in ("Principal", "NotPrincipal"):
            statement[key] = _principals(values, version)
        else:
            statement[key] = _conditions(values, version)
    return {key: statement[key] for key, _ in _ORDER if statement.get(key)}


def _principals(given: Iterable[Mapping[str, Any]], version: str) -> Any:
    by_type: dict[str, Any] = {}
    for each in given:
        who = _one_or_sorted([_with_variables(value, version) for value in each["identifiers"]])
        before = by_type.get(each["type"])
        by_type[each["type"]] = who if before is None else _listed(before) + _listed(who)
    if list(by_type) == ["*"] and _listed(by_type["*"]) == ["*"]:
        return "*"
    return dict(sorted(by_type.items()))


def _conditions(given: Iterable[Mapping[str, Any]], version: str) -> dict[str, Any]:
    by_test: dict[str, dict[str, list[str]]] = {}
    for each in given:
        values = [_with_variables(value, version) for value in each["values"]]
        by_test.setdefault(each["test"], {}).setdefault(each["variable"], []).extend(values)
    return {
        test: {key: values[0] if len(values) == 1 else values for key, values in sorted(keys.items())}
        for test, keys in sorted(by_test.items())
    }


def _with_variables(value: str, version: str) -> str:
    """`&{aws:username}` stands for `${aws:username}`, which a program could take for its own."""
    if version == _OLD_VERSION and "&{" in value:
        raise ProviderError(
            f"found &{{ sequence in ({value}), which is not supported in document version {_OLD_VERSION}"
        )
    return value.replace("&{", "${")


def _one_or_sorted(values: Iterable[str]) -> str | list[str]:
    unique = sorted(set(values), reverse=True)
    return unique[0] if len(unique) == 1 else unique


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
