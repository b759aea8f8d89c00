"""The few calls of Docker's HTTP interface that the set-up makes."""

import http.client
import json
import socket
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode

CALL_TIMEOUT_S = 120
PING_TIMEOUT_S = 3


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class DockerApi:
    """Docker at a Unix socket, given as ``unix:///path``."""

    def __init__(self, host: str) -> None:
        if not host.startswith("unix://"):
            raise ValueError(f"the test engine must be at a Unix socket, not at {host}")
        self._path = Path(host.removeprefix("unix://"))

    def ping(self) -> bool:
        """Tell whether the engine answers."""
        try:
            return self._call("GET", "/_ping", timeout_s=PING_TIMEOUT_S)[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def info(self) -> dict[str, Any]:
        """Return what the engine says of itself."""
        return json.loads(self._call("GET", "/info")[1])

    def has_image(self, reference: str, comment: str) -> bool:
        """Tell whether the image is there and was imported with that comment."""
        status, body = self._call("GET", f"/images/{quote(reference, safe='')}/json")
        if status != http.client.OK:
            return False
        found: dict[str, Any] = json.loads(body)
        return found.get("Comment") == comment

    def import_image(self, reference: str, tar: IO[bytes], changes: tuple[str, ...], comment: str) -> None:
        """Import a root file system as an image."""
        repository, _, tag = reference.rpartition(":")
        query: list[tuple[str, str]] = [
            ("fromSrc", "-"),
            ("repo", repository),
            ("tag", tag),
            ("message", comment),
        ]
        query += [("changes", change) for change in changes]
        status, body = self._call("POST", f"/images/create?{urlencode(query)}", tar)
        if status != http.client.OK or b'"error"' in body:
            raise RuntimeError(f"importing {reference} failed with {status}: {body[-300:]!r}")

    def remove_image(self, reference: str) -> None:
        """Remove an image; one that is absent is fine."""
        self._call("DELETE", f"/images/{quote(reference, safe='')}?force=1")

    def container_names(self, prefix: str) -> list[str]:
        """Return the names that begin so, of all containers."""
        listed: list[dict[str, Any]] = json.loads(self._call("GET", "/containers/json?all=1")[1])
        names = [name.lstrip("/") for entry in listed for name in entry["Names"]]
        return [name for name in names if name.startswith(prefix)]

    def volume_names(self, prefix: str) -> list[str]:
        """Return the names that begin so, of all volumes."""
        listed: list[dict[str, str]] = json.loads(self._call("GET", "/volumes")[1])["Volumes"] or []
        return [entry["Name"] for entry in listed if entry["Name"].startswith(prefix)]

    def remove_all_containers(self) -> None:
        """Remove every container. Only for an engine of our own."""
        _, body = self._call("GET", "/containers/json?all=1")
        listed: list[dict[str, Any]] = json.loads(body)
        for entry in listed:
            self._call("DELETE", f"/containers/{entry['Id']}?force=1&v=1")

    def _call(
        self, method: str, target: str, body: IO[bytes] | None = None, timeout_s: float = CALL_TIMEOUT_S
    ) -> tuple[int, bytes]:
        connection = _UnixConnection(self._path, timeout_s)
        try:
            headers = {"Content-Type": "application/x-tar"} if body else {}
            connection.request(method, target, body=body, headers=headers, encode_chunked=body is not None)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
