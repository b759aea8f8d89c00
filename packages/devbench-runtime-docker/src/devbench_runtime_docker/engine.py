"""The client of one engine: calls with a named bound each, at the negotiated version of the API."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiodocker
import aiohttp

from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.attached import AttachedStream
from devbench_core.engines.upgrade import READ_BYTES, Dial, unix_dial, upgrade
from devbench_core.errors import EngineFailed
from devbench_runtime_docker.endpoint import Endpoint, find_endpoint
from devbench_runtime_docker.failures import silent, unreachable
from devbench_runtime_docker.settings import DockerSettings
from devbench_runtime_docker.tls import tls_context

OLDEST_API = (1, 41)
NEWEST_API = (1, 51)
Params = Mapping[str, str]
Json = dict[str, Any]


class Engine:
    """One engine. Errors that it answers are `EngineAnswer`; silence is `EngineUnreachable`.

    Attributes:
        endpoint: Where it is.
        settings: The plugin's table.
        api_version: As negotiated, for example ``1.41``.
    """

    def __init__(
        self,
        client: aiodocker.Docker,
        endpoint: Endpoint,
        tls: ssl.SSLContext | None,
        settings: DockerSettings,
    ) -> None:
        self.client = client
        self.endpoint = endpoint
        self.settings = settings
        self.api_version = ""
        self._tls = tls
        self._turn = asyncio.Semaphore(settings.calls_at_once)

    async def negotiate(self) -> Json:
        """Agree on a version of the API: the engine's newest that we know. Returns what it says of itself.

        Raises:
            EngineUnreachable: It did not answer.
            EngineFailed: It is too old, or too new to speak what we know.
        """
        try:
            answer: Json = await self.call(
                "GET", "version", doing="tell its version", setting="ping_timeout_s"
            )
        except EngineAnswer as error:
            raise EngineFailed(f"{self.endpoint.address} is no Docker engine: {error}") from error
        newest, oldest = _version(answer.get("ApiVersion")), _version(answer.get("MinAPIVersion"))
        agreed = min(newest, NEWEST_API)
        if newest < OLDEST_API or agreed < oldest:
            raise EngineFailed(
                f"Docker {answer.get('Version')} speaks API {_text(oldest)} to {_text(newest)}, "
                f"and devbench {_text(OLDEST_API)} to {_text(NEWEST_API)}",
                hint="Docker 20.10 or later is needed",
            )
        self.api_version = _text(agreed)
        self.client.api_version = f"v{self.api_version}"
        return answer

    async def call(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        setting: str = "request_timeout_s",
        extra_s: float = 0.0,
        params: Params | None = None,
        body: Json | None = None,
    ) -> Any:
        """Make one call and return its JSON, None when the answer has none.

        Args:
            method: HTTP's.
            path: Below the version.
            doing: What it is, for people.
            setting: The setting that bounds it.
            extra_s: Added to that bound, for calls that are asked to wait.
            params: The query.
            body: Sent as JSON.

        Raises:
            EngineAnswer: The engine answered with an error.
            EngineUnreachable: It did not answer in time, or the connection broke.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        answer = await self._send(method, path, doing, setting, extra_s, params, data, headers)
        return json.loads(answer) if answer.strip() else None

    async def image(self, name: str) -> Json:
        """Return what is known of an image, by a name or an id."""
        return await self.call("GET", f"images/{quote(name, safe='/:@')}/json", doing="look at an image")

    async def images(self) -> list[Json]:
        """Return the list of images."""
        return await self.call("GET", "images/json", doing="list its images")

    async def put_archive(self, container: str, path: str, tar: bytes, *, doing: str, setting: str) -> None:
        """Unpack a tar in a container at a path."""
        headers = {"Content-Type": "application/x-tar"}
        where = f"containers/{container}/archive"
        await self._send("PUT", where, doing, setting, 0.0, {"path": path}, tar, headers)

    async def get_archive(self, container: str, path: str, *, doing: str, setting: str) -> bytes:
        """Return a file or folder of a container as a tar; for small ones."""
        headers = {"Accept-Encoding": "identity"}  # packing costs Docker four times the transfer
        where = f"containers/{container}/archive"
        return await self._send("GET", where, doing, setting, 0.0, {"path": path}, None, headers)

    async def attach(self, path: str, *, params: Params, body: Json | None, doing: str) -> AttachedStream:
        """Open the standard streams of a process.

        Raises:
            EngineAnswer: The engine answered with an error.
            EngineUnreachable: It did not answer in time, or the connection broke.
        """
        bound = self.settings.request_timeout_s
        try:
            async with asyncio.timeout(bound):
                where = f"/v{self.api_version}/{path}"
                return AttachedStream(
                    await upgrade(
                        _dial(self.endpoint, self._tls),
                        where,
                        dict(params),
                        body,
                        host=self.endpoint.host or "docker",
                    )
                )
        except TimeoutError as error:
            raise silent(self.endpoint, doing, "request_timeout_s", bound) from error
        except OSError as error:
            raise unreachable(self.endpoint, error) from error

    async def _send(
        self,
        method: str,
        path: str,
        doing: str,
        setting: str,
        extra_s: float,
        params: Params | None,
        data: bytes | None,
        headers: Mapping[str, str],
    ) -> bytes:
        bound: float = getattr(self.settings, setting) + extra_s
        version = f"/v{self.api_version}" if self.api_version else ""
        url = f"{self.client.docker_host}{version}/{path}"
        async with self._turn:
            try:
                async with (
                    asyncio.timeout(bound),
                    self.client.session.request(
                        method, url, params=params, data=data, headers=headers
                    ) as response,
                ):
                    content = await response.read()
            except TimeoutError as error:
                raise silent(self.endpoint, doing, setting, bound) from error
            except (aiohttp.ClientError, OSError) as error:
                raise unreachable(self.endpoint, error) from error
        if response.status >= 400:
            raise EngineAnswer(response.status, _message(content))
        return content


@asynccontextmanager
async def connected(settings: DockerSettings, home: Path | None = None) -> AsyncGenerator[Engine, None]:
    """Make a client of the engine that settings and environment name, not yet connected.

    Raises:
        ConfigurationInvalid: Address, context or TLS files cannot be used.
    """
    endpoint, tls = await asyncio.to_thread(_prepare, settings, home)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_s)
    if endpoint.socket:
        connector: aiohttp.BaseConnector = aiohttp.UnixConnector(endpoint.socket, limit=0)
        url = "http://docker"
    else:
        connector = aiohttp.TCPConnector(limit=0, ssl=tls or True)
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        url = f"{'https' if tls else 'http'}://{host}:{endpoint.port}"
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session:
        client = aiodocker.Docker(url=url, connector=connector, session=session)
        yield Engine(client, endpoint, tls, settings)


def _prepare(settings: DockerSettings, home: Path | None) -> tuple[Endpoint, ssl.SSLContext | None]:
    endpoint = find_endpoint(settings, os.environ, home or Path.home())
    return endpoint, tls_context(endpoint.tls) if endpoint.tls else None


def _dial(endpoint: Endpoint, tls: ssl.SSLContext | None) -> Dial:
    if endpoint.socket:
        return unix_dial(endpoint.socket)
    return lambda: asyncio.open_connection(endpoint.host, endpoint.port, ssl=tls, limit=READ_BYTES)


def _version(text: object) -> tuple[int, int]:
    major, _, minor = str(text or "0.0").partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _message(content: bytes) -> str:
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()
