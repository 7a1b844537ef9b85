"""The process that serves the registries that are not ECR: Distribution, with a folder for the content of each.

Its layout of a folder is that of https://distribution.github.io/distribution/about/configuration/#filesystem.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import subprocess
import time
from functools import cache
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from rig.prepared import prepared

from .oci import MANIFEST_TYPE, Image, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Access = tuple[str, tuple[str, ...]]
"""A repository, and what may be done there: `pull`, `push`."""

TOKEN_LIFETIME_SECONDS = 300
_ISSUER = "rig"
_KEY_ID = "rig"
_STOP_SECONDS = 3.0
_TIMEOUT_SECONDS = 60.0


class DistributionFailed(RuntimeError):
    """Its process ended by itself, or does not take what it was given."""


@cache
def _program() -> Path:
    return prepared("--registry") / "registry"


class Signer:
    """Signs the tokens that the registries believe."""

    def __init__(self, folder: Path) -> None:
        import jwt
        from cryptography.hazmat.primitives.asymmetric import ec

        self._key = ec.generate_private_key(ec.SECP256R1())
        public = jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self.keys_file = folder / "keys.json"
        self.keys_file.write_text(json.dumps({"keys": [{**public, "kid": _KEY_ID, "use": "sig", "alg": "ES256"}]}))

    def sign(self, service: str, user: str, accesses: Iterable[Access]) -> str:
        """A token for these accesses; see https://distribution.github.io/distribution/spec/auth/jwt/."""
        import jwt

        now = int(time.time())
        claims = {
            "iss": _ISSUER,
            "sub": user,
            "aud": service,
            "nbf": now - 1,
            "iat": now,
            "exp": now + TOKEN_LIFETIME_SECONDS,
            "jti": secrets.token_hex(16),
            "access": [{"type": "repository", "name": name, "actions": list(actions)} for name, actions in accesses],
        }
        return jwt.encode(claims, self._key, "ES256", {"kid": _KEY_ID})


class Content:
    """What a registry holds, read from its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = folder / "docker/registry/v2"

    def find_image(self, repository: str, reference: str) -> tuple[str, list[str]] | None:
        """An image's digest, and the digests of its parts that are missing or broken; None without the image."""
        manifests = self._repository(repository) / "_manifests"
        digest = reference
        if not reference.startswith("sha256:"):
            link = manifests / "tags" / reference / "current/link"
            if not link.is_file():
                return None
            digest = link.read_text()
        if not (manifests / "revisions/sha256" / digest.removeprefix("sha256:") / "link").is_file():
            return None
        content = self.blob(digest).read_bytes()
        if digest_of(content) != digest:
            return digest, [digest]
        manifest = json.loads(content)
        wanted = [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]
        return digest, [part for part in wanted if not self._is_whole(part)]

    def blob(self, digest: str) -> Path:
        """The file with the content of a digest."""
        value = digest.removeprefix("sha256:")
        return self._root / "blobs/sha256" / value[:2] / value / "data"

    def uploads(self, repository: str) -> list[str]:
        """The uploads that were begun and neither ended nor broken off."""
        # The folder of a cancelled upload stays, with the state of its checksum.
        return sorted(path.parent.name for path in self._repository(repository).glob("_uploads/*/data"))

    def _repository(self, name: str) -> Path:
        return self._root / "repositories" / name

    def _is_whole(self, digest: str) -> bool:
        file = self.blob(digest)
        return file.is_file() and digest_of(file.read_bytes()) == digest


class Distribution:
    """A running Distribution, which the first registry starts.

    Attributes:
        url: where it serves, by the Host header; only for the front.
        signer: of its tokens.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare it.

        Args:
            folder: for keys, log and content.
        """
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        self._port = 0

    def add(self, host: str, *, realm: str = "", service: str = "") -> Content:
        """Serve a new registry; with a realm it takes nothing but tokens.

        Raises:
            DistributionFailed: it did not start, or does not serve this one.
        """
        if self._process is None:
            self._start()
        self._count += 1
        content = Content(self._folder / str(self._count))
        settings = {
            "host": host,
            "folder": str(content.folder),
            "realm": realm,
            "service": service,
            "issuer": _ISSUER,
            "keys": str(self.signer.keys_file),
        }
        self._input.write(json.dumps(settings).encode() + b"\n")
        self._input.flush()
        problem = self._read()
        if problem:
            raise DistributionFailed(f"{host}: {problem}")
        return content

    def push(self, host: str, repository: str, tag: str, image: Image, token: str) -> None:
        """Push an image, as a client does."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS)
        headers = {"host": host, "authorization": f"Bearer {token}"}

        def send(method: str, path: str, body: bytes, media_type: str, expected: int) -> http.client.HTTPResponse:
            connection.request(method, path, body, {**headers, "content-type": media_type})
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != expected:
                raise DistributionFailed(f"{method} {path} at {host}: {answer.status} {said.decode()}")
            return answer

        with contextlib.closing(connection):
            for digest, blob in image.blobs.items():
                begun = send("POST", f"/v2/{repository}/blobs/uploads/", b"", "application/octet-stream", 202)
                place = f"{begun.headers['location']}&digest={quote(digest)}"
                send("PUT", place, blob, "application/octet-stream", 201)
            send("PUT", f"/v2/{repository}/manifests/{quote(tag)}", image.manifest, MANIFEST_TYPE, 201)

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._input.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
        self._process = None

    def _start(self) -> None:
        self._folder.mkdir()
        self.signer = Signer(self._folder)
        log = self._folder / "log"
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [_program()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self._folder,
                env={},
                # Ctrl-C is for the parent, which ends this process when it is done with it.
                start_new_session=True,
            )
        self._input: IO[bytes] = self._process.stdin  # pyright: ignore[reportAttributeAccessIssue]
        self._output: IO[bytes] = self._process.stdout  # pyright: ignore[reportAttributeAccessIssue]
        self._port = int(self._read())
        self.url = f"http://127.0.0.1:{self._port}"

    def _read(self) -> str:
        line = self._output.readline()
        if not line:
            said = (self._folder / "log").read_text(errors="replace")[-2000:].strip()
            raise DistributionFailed(f"Distribution ended by itself. Its last words:\n{said or 'none'}")
        return line.decode().strip()
