"""IAM policy documents: text that means the same must not be a change.

The rules come from terraform-provider-aws (`internal/verify/json.go`) and the comparison that it uses
(https://github.com/hashicorp/awspolicyequivalence).
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

Document: TypeAlias = Any

_VERSION = "2012-10-17"
_ROOT_OF_ACCOUNT = re.compile(r"arn:[^:]+:iam::(\d{12}):root")


def to_json(document: Document) -> str:
    """Compact JSON as Go writes it: keys sorted, and the characters that matter in HTML escaped."""
    return in_go_style(json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def in_go_style(text: str) -> str:
    """JSON with the escapes that Go's encoder makes."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def normalize(text: str) -> str:
    """The form in which a managed policy and a repository policy are stored and sent; text that is not JSON stays."""
    try:
        return to_json(json.loads(text))
    except ValueError:
        return text


def normalize_inline(text: str) -> str:
    """The form of an inline policy: as the others, but with the version first, as IAM once demanded."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    if not isinstance(document, dict) or document.get("Version") != _VERSION:
        return to_json(document)
    rest = {key: value for key, value in document.items() if key != "Version"}
    version = f'{{"Version":"{_VERSION}"'
    return f"{version},{to_json(rest)[1:]}" if rest else f"{version}}}"


def equivalent(old: str | None, new: str | None) -> bool:
    """Whether two documents mean the same: order of statements, actions, resources, and one item or a list of one."""
    one, other = (old or "").strip(), (new or "").strip()
    if one in ("", "{}") and other in ("", "{}"):
        return True
    try:
        return _canonical(json.loads(one)) == _canonical(json.loads(other))
    except (ValueError, TypeError, AttributeError):
        return one == other


def check_policy(text: str) -> str | None:
    """Why a text cannot be a policy document, or None."""
    if text == "":
        return '"policy" is an empty string, which is not a valid JSON value'
    if text[0] != "{":
        return f'"policy" contains an invalid JSON policy: it must begin with "{{", not with {text[0]!r}'
    return _check_json("policy", text)


def check_json(text: str) -> str | None:
    """Why a text is not JSON, or None."""
    return _check_json("policy", text)


def _check_json(name: str, text: str) -> str | None:
    try:
        json.loads(text)
    except ValueError as error:
        return f'"{name}" contains an invalid JSON policy: {error}'
    return None


def _canonical(document: Document) -> Document:
    statements = document.get("Statement") or []
    if isinstance(statements, dict):
        statements = [statements]
    return {
        "Version": document.get("Version", ""),
        "Id": document.get("Id", ""),
        "Statement": sorted(json.dumps(_canonical_statement(each), sort_keys=True) for each in statements),
    }


def _canonical_statement(statement: Document) -> Document:
    canonical: dict[str, Any] = {key: statement[key] for key in ("Sid", "Effect") if key in statement}
    for key in ("Action", "NotAction", "Resource", "NotResource"):
        if key in statement:
            canonical[key] = _strings(statement[key])
    for key in ("Principal", "NotPrincipal"):
        if key in statement:
            canonical[key] = _canonical_principal(statement[key])
    if statement.get("Condition"):
        canonical["Condition"] = {
            operator: {key.lower(): _strings(values) for key, values in keys.items()}
            for operator, keys in statement["Condition"].items()
        }
    return canonical


def _canonical_principal(principal: Document) -> Document:
    if isinstance(principal, str):
        principal = {"AWS": principal}
    return {
        kind: sorted(_ROOT_OF_ACCOUNT.sub(r"\1", each) for each in _strings(who)) for kind, who in principal.items()
    }


def _strings(value: Document) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return sorted(str(item).lower() if isinstance(item, bool) else str(item) for item in items)
