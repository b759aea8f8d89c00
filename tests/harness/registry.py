"""A small image registry in this process."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


@attrs.define
class Registry:
    """A registry that speaks as much of the distribution protocol as a pull needs.

    Attributes:
        user_and_password: Asked for when set, as ``user:password``.
        manifest_reads: How many times a manifest was fetched.
        moving: While it is not set no layer is answered.
        asked: Set when one was asked for.
    """

    server: ThreadingHTTPServer
    blobs: dict[str, bytes] = attrs.field(factory=dict[str, bytes])
    manifests: dict[str, bytes] = attrs.field(factory=dict[str, bytes])
    user_and_password: str = ""
    manifest_reads: int = 0
    moving: threading.Event = attrs.field(factory=threading.Event)
    asked: threading.Event = attrs.field(factory=threading.Event)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def publish(self, repository: str, tag: str, content: bytes) -> str:
        """Add an image with one file; return its digest."""
        plain = _tar("hello.txt", content)
        layer = gzip.compress(plain, mtime=0)
        config: dict[str, Any] = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["A=1"], "Cmd": ["/hello"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
        }
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self._blob(
                json.dumps(config).encode(), "application/vnd.docker.container.image.v1+json"
            ),
            "layers": [self._blob(layer, "application/vnd.docker.image.rootfs.diff.tar.gzip")],
        }
        body = json.dumps(manifest).encode()
        for name in (tag, _digest(body)):
            self.manifests[f"{repository}/{name}"] = body
        return _digest(body)

    def _blob(self, data: bytes, media_type: str) -> dict[str, object]:
        self.blobs[_digest(data)] = data
        return {"mediaType": media_type, "size": len(data), "digest": _digest(data)}

    def allows(self, header: str) -> bool:
        wanted = base64.b64encode(self.user_and_password.encode()).decode()
        return not self.user_and_password or header == f"Basic {wanted}"

    def find(self, path: str) -> tuple[bytes, str] | None:
        parts = path.removeprefix("/v2/").split("/")
        repository, sort, name = "/".join(parts[:-2]), parts[-2] if len(parts) > 1 else "", parts[-1]
        if sort == "manifests" and f"{repository}/{name}" in self.manifests:
            self.manifest_reads += 1
            return self.manifests[f"{repository}/{name}"], MANIFEST_TYPE
        if sort == "blobs" and name in self.blobs:
            self.asked.set()
            self.moving.wait()
            return self.blobs[name], "application/octet-stream"
        return (b"{}", "application/json") if path == "/v2/" else None


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _tar(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@contextmanager
def serving() -> Generator[Registry]:
    """Serve an empty registry on the loopback interface, which engines reach without TLS."""
    found: list[Registry] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if not found[0].allows(self.headers.get("Authorization", "")):
                return self._answer(401, b"{}", "application/json")
            answer = found[0].find(self.path)
            if answer is None:
                return self._answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', "application/json")
            return self._answer(200, *answer)

        do_HEAD = do_GET  # noqa: N815 - the name is the protocol of http.server

        def _answer(self, status: int, body: bytes, media_type: str) -> None:
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Docker-Content-Digest", _digest(body))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.append(Registry(server))
    found[0].moving.set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found[0]
    found[0].moving.set()
    server.shutdown()
    server.server_close()
    thread.join()
