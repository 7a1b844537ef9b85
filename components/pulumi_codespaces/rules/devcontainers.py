"""The registries that the codespaces of a repository pull from, read from devcontainer.json and the files it names.

Sources: https://containers.dev/implementors/json_reference/, https://docs.docker.com/reference/dockerfile/#from,
https://docs.docker.com/reference/compose-file/services/#image
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from . import RuleViolation
from .registries import DOCKER_HUB, Service, same_registry, service_of, split_host

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .packages import Package

DEVCONTAINER_PATHS = (".devcontainer/devcontainer.json", ".devcontainer.json")
"""The paths of the file that describes a repository's development container
(https://containers.dev/implementors/spec/#devcontainerjson)."""
_TEXT = r'"(?:\\.|[^"\\])*(?:"|\\?\Z)'
_TEXT_OR_COMMENT = re.compile(rf"{_TEXT}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_TEXT_OR_LAST_COMMA = re.compile(rf"{_TEXT}|,(?=\s*[}}\]])", re.DOTALL)
_FROM = re.compile(r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)", re.IGNORECASE | re.MULTILINE)
_COPY = re.compile(r"^[ \t]*COPY[ \t]+(?:--\S+[ \t]+)*--from=(\S+)", re.IGNORECASE | re.MULTILINE)
_IMAGE = re.compile(r"""^[ \t-]*["']?image["']?[ \t]*:[ \t]*["']?([^\s"'#]+)""", re.MULTILINE)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?")
_MOSTLY_PUBLIC = (Service.DOCKER_HUB, Service.GITHUB, Service.GOOGLE_CONTAINER_REGISTRY)
"""Registries with many public images, so that a host alone does not show whether an image needs a login."""
_NEVER_PUBLIC = (Service.AMAZON_ECR, Service.AZURE)


@dataclass(frozen=True)
class Devcontainer:
    """The images and files that a devcontainer.json names.

    Attributes:
        images: images, including the images of features.
        files: paths in the repository of Dockerfiles and compose files, which name further images.
    """

    images: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def parse_devcontainer(text: str, path: str) -> Devcontainer:
    """Read a devcontainer.json.

    Args:
        text: the file.
        path: the path of the file in the repository, which the files that it names are relative to.

    Raises:
        RuleViolation: the file is not valid JSON.
    """
    content = _map(read_devcontainer(text))
    build = _map(content.get("build"))
    images = [*_texts(content.get("image")), *_texts(build.get("cacheFrom")), *_map(content.get("features"))]
    named = [build.get("dockerfile"), content.get("dockerFile"), content.get("dockerComposeFile")]
    relative = [name for value in named for name in _texts(value)]
    files = [posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in relative]
    inside = [file for file in files if "$" not in file and not file.startswith(("../", "/"))]
    return Devcontainer(tuple(dict.fromkeys(images)), tuple(dict.fromkeys(inside)))


def images_in(text: str) -> list[str]:
    """The images that a Dockerfile or a compose file names, in order; variables in them are not replaced."""
    return [image for pattern in (_FROM, _COPY, _IMAGE) for image in pattern.findall(text)]


def registries_of(images: Iterable[str]) -> list[str]:
    """The hosts of images, in order, without Docker Hub and without hosts that contain a variable."""
    hosts = (split_host(image)[0] for image in images)
    return list(dict.fromkeys(host.lower() for host in hosts if host != DOCKER_HUB and _HOST.fullmatch(host)))


def needs_login(host: str, logged_in_hosts: Iterable[str]) -> bool:
    """Whether pulling from a registry certainly needs a login.

    Args:
        host: the registry.
        logged_in_hosts: the registries that any codespaces log in to.
    """
    service = service_of(host)
    if service in _NEVER_PUBLIC:
        return True
    if service in _MOSTLY_PUBLIC:
        return False
    return any(same_registry(host, logged_in) for logged_in in logged_in_hosts)


def asks_for(devcontainer: str, package: Package) -> bool:
    """Whether a devcontainer.json asks for access to the packages of a package's repository.

    Args:
        devcontainer: the file's text: JSON with comments and trailing commas.
        package: the package.

    Raises:
        RuleViolation: the file is not valid JSON.
    """
    codespaces = _map(_map(_map(read_devcontainer(devcontainer)).get("customizations")).get("codespaces"))
    wanted = {f"{package.organization}/{package.repository}".lower(), f"{package.organization}/*".lower()}
    entries = _map(codespaces.get("repositories"))
    return any(_reads_packages(entry) for name, entry in entries.items() if name.lower() in wanted)


def read_devcontainer(text: str) -> Any:
    """Parse a devcontainer.json.

    Raises:
        RuleViolation: the text is not valid JSON.
    """
    try:
        return json.loads(without_comments(text))
    except (ValueError, RecursionError) as error:
        raise RuleViolation("", f"devcontainer.json is not valid JSON: {error}") from None


def without_comments(text: str) -> str:
    """Turn JSON with comments into plain JSON (https://code.visualstudio.com/docs/languages/json#_json-with-comments)."""
    # The text is untrusted: anybody with write access to the repository can change it. So each pattern reads it once
    # from left to right, and never goes back.
    return _replaced(_TEXT_OR_LAST_COMMA, "", _replaced(_TEXT_OR_COMMENT, " ", text))


def _replaced(pattern: re.Pattern[str], replacement: str, text: str) -> str:
    """Replace every match of a pattern except the texts in quotes."""
    return pattern.sub(lambda match: match[0] if match[0].startswith('"') else replacement, text)


def _reads_packages(entry: Any) -> bool:
    permissions = _map(entry).get("permissions")
    return permissions in ("read-all", "write-all") or _map(permissions).get("packages") == "read"


def _map(value: Any) -> dict[str, Any]:
    """A value if it is a map; otherwise an empty map."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    """The texts in a value, which may be a list or a single text."""
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]
