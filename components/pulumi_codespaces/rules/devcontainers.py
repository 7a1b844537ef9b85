"""Which registries the codespaces of a repository pull from: what its devcontainer.json and the files it names say.

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
"""Where an image may well be public, so that nothing follows from its host."""
_NEVER_PUBLIC = ("Amazon ECR", "Azure Container Registry")


@dataclass(frozen=True)
class Devcontainer:
    """What a devcontainer.json names.

    Attributes:
        images: images, of features too.
        files: paths in the repository of Dockerfiles and compose files, which name more of them.
    """

    images: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def parse_devcontainer(text: str, path: str) -> Devcontainer:
    """Read a devcontainer.json.

    Args:
        text: the file.
        path: where it is in the repository; what it names is relative to that.

    Raises:
        RuleViolation: it is no JSON.
    """
    content = _map(read_devcontainer(text))
    build = _map(content.get("build"))
    images = [*_texts(content.get("image")), *_texts(build.get("cacheFrom")), *_map(content.get("features"))]
    named = [build.get("dockerfile"), content.get("dockerFile"), content.get("dockerComposeFile")]
    files = [posixpath.normpath(posixpath.join(posixpath.dirname(path), one)) for it in named for one in _texts(it)]
    inside = [one for one in files if "$" not in one and not one.startswith(("../", "/"))]
    return Devcontainer(tuple(dict.fromkeys(images)), tuple(dict.fromkeys(inside)))


def images_in(text: str) -> list[str]:
    """The images that a Dockerfile or a compose file names, in order; those with variables are left as they stand."""
    return [found for pattern in (_FROM, _COPY, _IMAGE) for found in pattern.findall(text)]


def registries_of(images: Iterable[str]) -> list[str]:
    """The hosts of images, in order; of an image whose host is a variable nothing is known."""
    hosts = (split_host(image)[0] for image in images)
    return list(dict.fromkeys(host.lower() for host in hosts if host != DOCKER_HUB and _HOST.fullmatch(host)))


def needs_login(host: str, known: Iterable[str]) -> bool:
    """Whether pulling from a registry takes a login for certain.

    Args:
        host: the registry.
        known: the registries that codespaces log in to somewhere.
    """
    registry = known_registry(host)
    if registry and registry.name in _NEVER_PUBLIC:
        return True
    if registry and registry.name in _MOSTLY_PUBLIC:
        return False
    return any(same_registry(host, one) for one in known)


def _map(given: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


def _texts(given: Any) -> list[str]:
    items = cast("list[Any]", given) if isinstance(given, list) else [given]
    return [one for one in items if isinstance(one, str)]
