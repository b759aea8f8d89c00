"""Calls to one service: podman's own client in threads, and for attached streams an upgraded connection."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from podman.api.client import APIClient, APIResponse

from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.attached import AttachedStream
from devbench_core.engines.upgrade import unix_dial, upgrade
from devbench_core.errors import EngineFailed
from devbench_runtime_podman.endpoint import Endpoint, find_endpoint
from devbench_runtime_podman.failures import answer_of, silent, unreachable
from devbench_runtime_podman.settings import PodmanSettings
from devbench_runtime_podman.workers import API_VERSION, Work, Workers

Json = dict[str, Any]
VERSION_HEADER = "Libpod-API-Version"


class Engine:
    """One service. Errors that it answers are `EngineAnswer`; silence is `EngineUnreachable`."""

    def __init__(
        self, endpoint: Endpoint, settings: PodmanSettings, *, calls: Workers, pulls: Workers
    ) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self._calls = calls
        self._pulls = pulls

    @property
    def pull_turn(self) -> asyncio.Semaphore:
        """To be held while an image is pulled."""
        return self._pulls.turn

    async def version(self) -> str:
        """Return the version of the service's interface, which is Podman's own; costs no more than a ping.

        Raises:
            EngineUnreachable: It did not answer.
            EngineFailed: It is no Podman, or one that does not speak the version we know.
        """
        try:
            answer = await self._bounded(
                lambda client: _ask(client, "GET", "_ping", None, None, {}), "answer a ping", "ping_timeout_s"
            )
        except EngineAnswer as error:
            raise EngineFailed(f"{self.endpoint.address} is no Podman service: {error}") from error
        version = answer.headers.get(VERSION_HEADER, "")
        if not version:
            raise EngineFailed(f"{self.endpoint.address} is no Podman service")
        if _numbers(version) < _numbers(API_VERSION):
            raise EngineFailed(
                f"Podman {version} answers at {self.endpoint.address}", hint="Podman 4.0 or later is needed"
            )
        return version

    async def call(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        setting: str = "request_timeout_s",
        extra_s: float = 0.0,
        params: Mapping[str, str] | None = None,
        body: Json | None = None,
    ) -> Any:
        """Make one call and return its JSON, None when the answer has none.

        Args:
            method: HTTP's.
            path: Below ``/libpod/``.
            doing: What it is, for people.
            setting: The setting that bounds it.
            extra_s: Added to that bound, for calls that are asked to wait.
            params: The query.
            body: Sent as JSON.

        Raises:
            EngineAnswer: The service answered with an error.
            EngineUnreachable: It did not answer in time, or the connection broke.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}

        def work(client: APIClient) -> APIResponse:
            return _ask(client, method, path, params, data, headers)

        content = (await self._bounded(work, doing, setting, extra_s)).content
        return json.loads(content) if content.strip() else None

    async def image(self, name: str) -> Json:
        """Return what is known of an image, by a name or an id."""
        return await self.call("GET", f"images/{quote(name, safe='/:@')}/json", doing="look at an image")

    async def images(self) -> list[Json]:
        """Return the list of images."""
        return await self.call("GET", "images/json", doing="list its images")

    async def put_archive(self, container: str, path: str, tar: bytes, *, doing: str, setting: str) -> None:
        """Unpack a tar in a container at a path."""
        where, headers = f"containers/{container}/archive", {"Content-Type": "application/x-tar"}
        await self._bounded(
            lambda client: _ask(client, "PUT", where, {"path": path}, tar, headers), doing, setting
        )

    async def get_archive(self, container: str, path: str, *, doing: str, setting: str) -> bytes:
        """Return a small file of a container as a tar."""
        where = f"containers/{container}/archive"
        answer = await self._bounded(
            lambda client: _ask(client, "GET", where, {"path": path}, None, {}), doing, setting
        )
        return answer.content

    async def attach(
        self, path: str, *, params: Mapping[str, str], body: Json | None, doing: str
    ) -> AttachedStream:
        """Open the standard streams of a process.

        Raises:
            EngineAnswer: The service answered with an error.
            EngineUnreachable: It did not answer in time, or the connection broke.
        """
        bound = self.settings.start_timeout_s
        try:
            async with asyncio.timeout(bound):
                where = f"/v{API_VERSION}/libpod/{path}"
                dial = unix_dial(self.endpoint.socket)
                return AttachedStream(await upgrade(dial, where, dict(params), body, host="podman"))
        except EngineAnswer as error:
            raise answer_of(error.status, error.message.encode()) from error
        except TimeoutError as error:
            raise silent(self.endpoint, doing, "start_timeout_s", bound) from error
        except OSError as error:
            raise unreachable(self.endpoint, error) from error

    async def pull(self, params: Mapping[str, str], headers: Mapping[str, str]) -> AsyncGenerator[Json, None]:
        """Have an image fetched, and yield what the service says of it. The caller holds `pull_turn`.

        Raises:
            EngineAnswer: The service answered with an error.
            EngineUnreachable: The connection broke.
        """

        def work(client: APIClient) -> APIResponse:
            return _checked(client.post("images/pull", params=params, headers=headers, stream=True))

        lines = self._pulls.lines(work)
        try:
            async for line in lines:
                if line.strip():
                    yield json.loads(line)
        except OSError as error:  # what podman and requests raise is one, too
            raise unreachable(self.endpoint, error) from error
        finally:
            await lines.aclose()

    async def _bounded(
        self, work: Work[APIResponse], doing: str, setting: str, extra_s: float = 0.0
    ) -> APIResponse:
        bound: float = getattr(self.settings, setting) + extra_s
        try:
            return await self._calls.run(work, bound)
        except TimeoutError as error:
            raise silent(self.endpoint, doing, setting, bound) from error
        except OSError as error:  # what podman and requests raise is one, too
            raise unreachable(self.endpoint, error) from error


@asynccontextmanager
async def connected(settings: PodmanSettings, home: Path | None = None) -> AsyncGenerator[Engine, None]:
    """Make a client of the service that settings and environment name, not yet connected.

    Raises:
        ConfigurationInvalid: The address or the connection cannot be used.
    """
    place = home or Path.home()
    endpoint = await asyncio.to_thread(find_endpoint, settings.host, settings.connection, os.environ, place)
    sizes = (settings.calls_at_once, settings.pulls_at_once)
    calls, pulls = (
        Workers(endpoint.socket, size=size, connect_timeout_s=settings.connect_timeout_s) for size in sizes
    )
    try:
        yield Engine(endpoint, settings, calls=calls, pulls=pulls)
    finally:
        calls.close()
        pulls.close()


def _ask(
    client: APIClient,
    method: str,
    path: str,
    params: Mapping[str, str] | None,
    data: bytes | None,
    headers: Mapping[str, str],
) -> APIResponse:
    match method:
        case "GET":
            return _checked(client.get(path, params=params, headers=headers))
        case "DELETE":
            return _checked(client.delete(path, params=params, headers=headers))
        case "PUT":
            return _checked(client.put(path, params=params, data=data, headers=headers))
        case _:
            return _checked(client.post(path, params=params, data=data, headers=headers))


def _checked(response: APIResponse) -> APIResponse:
    if response.status_code >= 400:
        raise answer_of(response.status_code, response.content)
    return response


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdigit())
