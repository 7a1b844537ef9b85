"""Small real OCI images, and the names by which images are asked for."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from dataclasses import dataclass

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"

MANIFEST_TYPES = (
    MANIFEST_TYPE,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
"""What a client that pulls says it accepts."""

_DOCKER_HUB = "index.docker.io"


def digest_of(content: bytes) -> str:
    """The name of content in a registry."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Image:
    """An image of one layer.

    Attributes:
        manifest: what a tag leads to.
        config: the image's configuration.
        layer: a compressed tar archive of one file.
    """

    manifest: bytes
    config: bytes
    layer: bytes

    @property
    def digest(self) -> str:
        """The digest of the manifest, which is the image's own."""
        return digest_of(self.manifest)

    @property
    def blobs(self) -> dict[str, bytes]:
        """Configuration and layer by digest."""
        return {digest_of(self.config): self.config, digest_of(self.layer): self.layer}


def build_image(content: str, file_name: str = "hello.txt") -> Image:
    """Make an image that holds one text file; the same content always makes the same image.

    Args:
        content: the text.
        file_name: where it is in the image.
    """
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo(file_name)
        entry.size = len(content.encode())
        tar.addfile(entry, io.BytesIO(content.encode()))
    layer = gzip.compress(archive.getvalue(), mtime=0)
    config = _json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/bin/cat", f"/{file_name}"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(archive.getvalue())]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest_of(config), "size": len(config)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": digest_of(layer), "size": len(layer)}],
        }
    )
    return Image(manifest, config, layer)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True)
class ImageName:
    """The parts of an image's name: `host/repository:tag` or `host/repository@sha256:…`."""

    host: str
    repository: str
    reference: str


_IMAGE = re.compile(
    r"(?:(?P<host>[^/@]+)/)?(?P<repository>[a-z0-9][a-z0-9._/-]*?)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


def parse_image(name: str) -> ImageName:
    """Split the name of an image the way docker reads it: no host means Docker Hub, no tag means `latest`.

    Source: https://pkg.go.dev/github.com/distribution/reference.

    Raises:
        ValueError: it is not the name of an image.
    """
    match = _IMAGE.fullmatch(name)
    if match and match["host"] and not re.search(r"[.:]|^localhost$", match["host"]):
        match = _IMAGE.fullmatch(f"{_DOCKER_HUB}/{name}")
    if not match:
        raise ValueError(f"image {name!r}: expected host/repository:tag or host/repository@sha256:<64 hex digits>")
    host, repository = match["host"] or _DOCKER_HUB, match["repository"]
    if host in ("docker.io", "registry-1.docker.io"):
        host = _DOCKER_HUB
    if host == _DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return ImageName(host, repository, match["digest"] or match["tag"] or "latest")
