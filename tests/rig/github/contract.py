"""Every exchange checked against GitHub's own OpenAPI description, of which `openapi.json` holds what is served here.

`openapi.json` is made by `python -m rig.github.cut_openapi`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from openapi_core import OpenAPI

DESCRIPTION = Path(__file__).with_name("openapi.json")
HOST = "https://api.github.com"
GRAPHQL = "/graphql"
"""The one path that is not of the REST API."""

UNLISTED_STATUSES = frozenset({301, 304, 307, 400, 401, 403, 404, 409, 422, 429})
"""The description lists few of the errors that GitHub answers with; these may come from any operation."""

_KNOWN_GOOD_LIMIT = 20_000
_known_good: set[int] = set()
failures_of_this_process: list[str] = []
"""The failures of every stand-in of this process, for a check at the end of a test session."""


@cache
def description() -> dict[str, Any]:
    """The OpenAPI description of the operations served here."""
    return json.loads(DESCRIPTION.read_text(encoding="utf-8"))


@cache
def documentation_url(method: str, path: str) -> str | None:
    """The page of GitHub's documentation on an operation, None where the description has none."""
    operation = description()["paths"].get(path, {}).get(method.lower(), {})
    return operation.get("externalDocs", {}).get("url")


@cache
def _checker() -> OpenAPI:
    from openapi_core import OpenAPI

    return OpenAPI.from_dict(description())


@dataclass(frozen=True)
class Sample:
    """One exchange to check.

    Attributes:
        template: the path of the operation in the description.
        path: with names instead of numeric ids, without prefix.
        status: of the answer.
        answer: its body.
    """

    method: str
    template: str
    path: str
    query: str
    sent: bytes
    status: int
    answer: bytes
    media_type: str


class Contract:
    """The exchanges that wait for their check, and the failures.

    Checks take milliseconds, so they wait until somebody asks for the failures; what was found good once in this
    process is not checked again.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._waiting: dict[int, Sample] = {}
        self._failures: list[str] = []

    def note(self, sample: Sample, base: str) -> None:
        """Keep an exchange for its check; `base` is what its URLs start with."""
        if not self.enabled or sample.template == GRAPHQL:
            return
        answer = sample.answer.replace(base.encode(), HOST.encode())
        key = hash((sample.method, sample.template, sample.query, sample.sent, sample.status, answer))
        if key not in _known_good and key not in self._waiting:
            self._waiting[key] = sample

    def broken(self, what: str) -> None:
        """Enter a failure of the stand-in itself."""
        self._failures.append(what)
        failures_of_this_process.append(what)

    def failures(self) -> list[str]:
        """Check what waits; all failures so far."""
        while self._waiting:
            key, sample = self._waiting.popitem()
            found = _check(sample)
            self._failures.extend(found)
            failures_of_this_process.extend(found)
            if not found and len(_known_good) < _KNOWN_GOOD_LIMIT:
                _known_good.add(key)
        return self._failures


def _check(sample: Sample) -> list[str]:
    where = f"{sample.method} {sample.path} -> {sample.status}"
    operation = description()["paths"][sample.template][sample.method.lower()]
    if str(sample.status) not in operation["responses"]:
        return _check_unlisted(sample, where)
    from openapi_core.exceptions import OpenAPIError
    from openapi_core.testing import MockRequest, MockResponse

    # A file's path has slashes of its own, which no other parameter has.
    path = sample.path
    if sample.template.endswith("/contents/{path}"):
        head, _, tail = path.partition("/contents")
        path = f"{head}/contents/" + (tail.strip("/").replace("/", "%2F") or "%2F")
    request = MockRequest(
        HOST,
        sample.method.lower(),
        path,
        args=dict(parse_qsl(sample.query)),
        data=sample.sent or None,
        content_type="application/json",
    )
    response = MockResponse(data=sample.answer, status_code=sample.status, content_type=sample.media_type.split(";")[0])
    what = "answer"
    try:
        _checker().validate_response(request, response)
        what = "request"
        if sample.status < 400:  # a refused request may break the description
            _checker().validate_request(request)
    except OpenAPIError as error:
        return [f"{where}: {what}: {_reasons(error)}"]
    return []


def _reasons(error: BaseException) -> str:
    """Where a body breaks which rule; never the value, which may be a secret's ciphertext."""
    cause: BaseException | None = error
    while cause is not None:
        errors = getattr(cause, "schema_errors", None)
        if errors:
            reasons = (f"{'/'.join(map(str, failure.absolute_path))}: {failure.validator}" for failure in errors)
            return "; ".join(dict.fromkeys(reasons))
        cause = cause.__cause__
    return f"{type(error).__name__}: {error}"


def _check_unlisted(sample: Sample, where: str) -> list[str]:
    if sample.status not in UNLISTED_STATUSES:
        return [f"{where}: the description does not list this status"]
    if sample.status == 304:
        return [] if not sample.answer else [f"{where}: a 304 has no body"]
    body = json.loads(sample.answer)
    wanted = {"message": str, "documentation_url": str}
    if not all(isinstance(body.get(name), kind) for name, kind in wanted.items()):
        return [f"{where}: an error has a message and a documentation_url"]
    return []
