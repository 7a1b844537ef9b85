"""Operations of the API: what they are called with, what they answer, and the table of all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from .contract import documentation_url

if TYPE_CHECKING:
    from datetime import datetime

    from .limits import Limits
    from .state import Cloud, Organization, Repository
    from .tokens import Caller, Tokens

NOT_FOUND = "Not Found"
NOT_AN_ADMIN = "Must have admin rights to Repository."
"""GitHub's message for many paths that do not name a repository; see https://github.com/cli/cli/issues/2845."""

Item = TypeVar("Item")


@dataclass
class Answer:
    """What an operation answers.

    Attributes:
        body: JSON to be, or None for an empty body.
        raw: a body that is not JSON, with its media type.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    raw: tuple[bytes, str] | None = None


class Refusal(Exception):
    """An answer with an error, in GitHub's form."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[Any] | None = None,
        documentation: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.documentation = documentation
        self.headers = dict(headers or {})

    def answer(self, operation: Operation | None) -> Answer:
        """The answer, with the page of GitHub's documentation on the operation that was asked for."""
        body: dict[str, Any] = {"message": self.message}
        if self.errors is not None:
            body["errors"] = list(self.errors)
        page = documentation_url(operation.method, operation.path) if operation else None
        body["documentation_url"] = self.documentation or page or "https://docs.github.com/rest"
        body["status"] = str(self.status)
        return Answer(self.status, body, self.headers)


Handler = Callable[["Call"], Answer]


@dataclass(frozen=True)
class Operation:
    """One operation, and the rights that it takes.

    Attributes:
        path: as in GitHub's OpenAPI description.
        scopes: any of these is enough for a classic token; empty allows every token.
        permission: the permission of a fine-grained token or an App, without its level.
        level: `read`, `write` or `admin`.
        access: `anyone`, `token`, `owner` (of the organization) or `app` (an App's own JSON web token).
        denied: what GitHub says to a classic token without the scope.
        resource: the rate limit that it draws on.
    """

    method: str
    path: str
    handler: Handler
    scopes: tuple[str, ...]
    permission: str
    level: str
    access: str
    denied: str
    resource: str


OPERATIONS: list[Operation] = []
_PARAMETER = re.compile(r"{([^}]+)}")


def operation(
    method: str,
    path: str,
    *,
    scopes: tuple[str, ...] = (),
    permission: str = "metadata",
    level: str = "",
    access: str = "token",
    denied: str = NOT_AN_ADMIN,
    resource: str = "core",
) -> Callable[[Handler], Handler]:
    """Enter a function into the table of operations; the arguments are attributes of `Operation`."""

    def enter(handler: Handler) -> Handler:
        needed = level or ("read" if method == "GET" else "write")
        OPERATIONS.append(Operation(method, path, handler, scopes, permission, needed, access, denied, resource))
        return handler

    return enter


@cache
def _patterns() -> list[tuple[re.Pattern[str], dict[str, Operation]]]:
    """The paths of the table. Paths with more fixed parts come first: `public-key` must not match a secret's name."""
    by_path: dict[str, dict[str, Operation]] = {}
    for entry in OPERATIONS:
        by_path.setdefault(entry.path, {})[entry.method] = entry

    def pattern(path: str) -> re.Pattern[str]:
        whole = path.endswith("/contents/{path}")
        parts = _PARAMETER.split(path)
        names = (f"(?P<{n.replace('-', '_')}>{'.*' if whole and n == 'path' else '[^/]+'})" for n in parts[1::2])
        fixed = map(re.escape, parts[::2])
        return re.compile(
            "".join(f + n for f, n in zip(fixed, (*names, ""), strict=True)).replace("/(?P<path>", "(?:/|$)(?P<path>")
        )

    ordered = sorted(by_path.items(), key=lambda item: len(_PARAMETER.findall(item[0])))
    return [(pattern(path), methods) for path, methods in ordered]


def find(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation of a request and the parameters in its path, None where the table has none."""
    for pattern, methods in _patterns():
        match = pattern.fullmatch(path)
        if match and method in methods:
            return methods[method], match.groupdict()
    return None


@dataclass
class Call:
    """One request on its way to an operation.

    Attributes:
        path: without prefix, numeric ids replaced by names.
        base: what URLs in the answer start with.
        body: the JSON that was sent; None where there was none.
    """

    cloud: Cloud
    tokens: Tokens
    limits: Limits
    caller: Caller
    operation: Operation
    path: str
    parameters: dict[str, str]
    query_string: str
    base: str
    body: dict[str, Any] | None
    accept: str

    def __post_init__(self) -> None:
        self.query = dict(parse_qsl(self.query_string, keep_blank_values=True))

    @property
    def now(self) -> datetime:
        """The time of the clock."""
        return self.cloud.now()

    @property
    def organization(self) -> Organization:
        """The organization in the path."""
        found = self.cloud.organizations.get(self.parameters["org"].lower())
        if found is None:
            raise Refusal(404, NOT_FOUND)
        return found

    def repository(self, *, to_write: bool = False, of: str = "owner") -> Repository:
        """The repository in the path.

        Args:
            to_write: refuse an archived one.
            of: the name of the parameter that holds the owner.
        """
        home = self.cloud.organizations.get(self.parameters[of].lower())
        name = self.parameters["repo"]
        found = home.repository(name) if home else None
        if home and not found and name.lower() in home.moved:
            number = home.moved[name.lower()]
            moved = self.cloud.repositories_by_id.get(number)
            if moved and self.caller.sees(moved):
                rest = self.path.split("/", 4)[4:]
                query = f"?{self.query_string}" if self.query_string else ""
                raise Moved("/".join([f"{self.base}/repositories/{number}", *rest]) + query, self.operation.method)
        if not found or not self.caller.sees(found):
            raise Refusal(404, NOT_FOUND)
        self.caller.check_repository(self.operation, found)
        if to_write and found.archived:
            raise Refusal(403, "Repository was archived so is read-only.")
        return found

    def sent(self, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """A property of the body, refused as GitHub refuses it where its type is wrong."""
        value: Any = (self.body or {}).get(name, default)
        if value is None or (isinstance(value, kind) and not (isinstance(value, bool) and kind is int)):
            return value
        wanted = {str: "string", int: "integer", bool: "boolean", list: "array", dict: "object"}
        kinds = kind if isinstance(kind, tuple) else (kind,)
        article = " or ".join(
            f"a{'n' if wanted[accepted][0] in 'aio' else ''} {wanted[accepted]}" for accepted in kinds
        )
        raise invalid(f"For 'properties/{name}', {_shown(value)} is not {article}.")

    def need(self, *names: str) -> None:
        """Refuse a body without these properties."""
        missing = [f'"{name}"' for name in names if (self.body or {}).get(name) is None]
        if missing:
            raise invalid(f"{', '.join(missing)} {'was' if len(missing) == 1 else 'were'}n't supplied.")

    def page(self, items: Sequence[Item]) -> tuple[list[Item], dict[str, str]]:
        """The items of the page asked for, and the Link header that leads to the others."""
        per_page = min(max(_number(self.query.get("per_page"), 30), 1), 100)
        number = max(_number(self.query.get("page"), 1), 1)
        last = max(-(-len(items) // per_page), 1)
        leads: list[str] = []
        if number > 1:
            leads.append(self._link(min(number - 1, last), "prev"))
        if number < last:
            leads += [self._link(number + 1, "next"), self._link(last, "last")]
        if number > 1:
            leads.append(self._link(1, "first"))
        start = (number - 1) * per_page
        return list(items[start : start + per_page]), {"Link": ", ".join(leads)} if leads else {}

    def _link(self, page: int, relation: str) -> str:
        query = parse_qsl(self.query_string, keep_blank_values=True)
        if "page" in self.query:
            query = [(name, str(page) if name == "page" else value) for name, value in query]
        else:
            query.append(("page", str(page)))
        return f'<{self.base}{self._numeric_path()}?{urlencode(query)}>; rel="{relation}"'

    def _numeric_path(self) -> str:
        """GitHub's links name organizations, teams and repositories by their numbers."""
        parts = self.path.split("/")
        if parts[1] == "orgs":
            home = self.organization
            if len(parts) > 4 and parts[3] == "teams" and parts[4] in home.teams:
                parts[3:5] = ["team", str(home.teams[parts[4]].id)]
            parts[1:3] = ["organizations", str(home.id)]
        elif parts[1] == "repos":
            parts[1:4] = ["repositories", str(self.repository().id)]
        return "/".join(parts)


class Moved(Refusal):
    """A repository that has another name now."""

    def __init__(self, location: str, method: str) -> None:
        super().__init__(301 if method in ("GET", "HEAD") else 307, "", headers={"Location": location})
        self.message = "Moved Permanently" if self.status == 301 else "Temporary Redirect"
        self.location = location

    def answer(self, operation: Operation | None) -> Answer:
        """The answer, with the new address in body and header."""
        answer = super().answer(operation)
        answer.body = {
            "message": self.message,
            "url": self.location,
            "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects",
        }
        return answer


def failed(resource: str, message: str, *, field: str | None = None) -> Refusal:
    """A refusal of what a body asks for."""
    error = {"resource": resource, "code": "custom", "message": message} | ({"field": field} if field else {})
    return Refusal(422, "Validation Failed", errors=[error])


def invalid(what: str) -> Refusal:
    """A refusal of a body, in the words that GitHub's own schema check uses."""
    return Refusal(422, f"Invalid request.\n\n{what}")


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default
