"""The registries that the codespaces of a repository pull from, read from devcontainer.json and the files it names.

Sources: https://containers.dev/implementors/json_reference/, https://docs.docker.com/reference/dockerfile/#from,
https://docs.docker.com/reference/compose-file/services/#image
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from .packages import read_devcontainer
from .registries import DOCKER_HUB, known_registry, same_registry, split_host

if TYPE_CHECKING:
    from collections.abc import Iterable

_FROM = re.compile(r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)", re.IGNORECASE | re.MULTILINE)
_COPY = re.compile(r"^[ \t]*COPY[ \t]+(?:--\S+[ \t]+)*--from=(\S+)", re.IGNORECASE | re.MULTILINE)
_IMAGE = re.compile(r"""^[ \t-]*["']?image["']?[ \t]*:[ \t]*["']?([^\s"'#]+)""", re.MULTILINE)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?")
_MOSTLY_PUBLIC = ("Docker Hub", "GitHub Container registry", "Google Container Registry")
"""Registries with many public images, so that a host alone does not show whether an image needs a login."""
_NEVER_PUBLIC = ("Amazon ECR", "Azure Container Registry")


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
    registry = known_registry(host)
    if registry and registry.name in _NEVER_PUBLIC:
        return True
    if registry and registry.name in _MOSTLY_PUBLIC:
        return False
    return any(same_registry(host, logged_in) for logged_in in logged_in_hosts)


def _map(value: Any) -> dict[str, Any]:
    """A value if it is a map; otherwise an empty map."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    """The texts in a value, which may be a list or a single text."""
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str)]
