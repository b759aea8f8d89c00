"""The calls that Docker and Podman answer alike; a plugin adds volumes, helpers and what else is its engine's own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Generic, Protocol, TypeVar

from devbench_core.engines.answers import EngineAnswer, table
from devbench_core.engines.attached import AttachedStream
from devbench_core.engines.calls import CallSettings, Found
from devbench_core.engines.failures import translate
from devbench_core.engines.moments import moment
from devbench_core.errors import DevbenchError

ATTACH = {"stream": "true", "stdin": "true", "stdout": "true", "stderr": "true"}
BY_FORCE = {"force": "true", "v": "true", "timeout": "0"}
"""Of the last only Podman knows, which else waits ten seconds for who ignores a TERM."""
Settings_co = TypeVar("Settings_co", bound=CallSettings, covariant=True)


class HttpEngine(Protocol[Settings_co]):
    """A client of one engine."""

    @property
    def settings(self) -> Settings_co:
        """The plugin's settings."""
        ...

    async def call(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        setting: str = ...,
        extra_s: float = ...,
        params: Mapping[str, str] | None = ...,
        body: dict[str, Any] | None = ...,
    ) -> Any:
        """Make one call and return its JSON, within the bound that a setting names."""
        ...

    async def attach(
        self, path: str, *, params: Mapping[str, str], body: dict[str, Any] | None, doing: str
    ) -> AttachedStream:
        """Open the standard streams of a process."""
        ...

    async def put_archive(self, container: str, path: str, tar: bytes, *, doing: str, setting: str) -> None:
        """Unpack a tar in a container at a path."""
        ...

    async def get_archive(self, container: str, path: str, *, doing: str, setting: str) -> bytes:
        """Return a small file of a container as a tar."""
        ...


class HttpCalls(Generic[Settings_co]):
    """The shared part of an `EngineCalls`."""

    def __init__(self, engine: HttpEngine[Settings_co]) -> None:
        self._http = engine

    @property
    def settings(self) -> Settings_co:
        """The plugin's settings."""
        return self._http.settings

    def translate(self, answer: EngineAnswer, doing: str, *, ref: str = "", image: str = "") -> DevbenchError:
        """Return the error for an answer."""
        return translate(answer, doing, ref=ref, image=image)

    async def show(self, container: str) -> dict[str, Any]:
        """Inspect a container."""
        return await self._http.call("GET", f"containers/{container}/json", doing="look at a container")

    async def start_container(self, container: str) -> None:
        """Start a container."""
        path = f"containers/{container}/start"
        await self._http.call("POST", path, doing="start a container", setting="start_timeout_s")

    async def stop_container(self, container: str, grace_s: float) -> None:
        """Stop a container."""
        grace = math.ceil(grace_s)
        await self._http.call(
            "POST", f"containers/{container}/stop", doing="stop a container", setting="remove_timeout_s",
            extra_s=grace, params={"t": str(grace), "timeout": str(grace)},
        )  # fmt: skip

    async def freeze_container(self, container: str, verb: str) -> None:
        """Pause or unpause a container."""
        await self._http.call("POST", f"containers/{container}/{verb}", doing=f"{verb} a container")

    async def remove_container(self, container: str) -> None:
        """Remove a container by force, and its anonymous volumes."""
        await self._http.call(
            "DELETE", f"containers/{container}", doing="remove a container", setting="remove_timeout_s",
            params=BY_FORCE,
        )  # fmt: skip

    async def attach(self, container: str) -> AttachedStream:
        """Attach to PID 1."""
        path = f"containers/{container}/attach"
        return await self._http.attach(path, params=ATTACH, body=None, doing="attach to a container")

    async def execute(self, container: str, argv: Sequence[str], user: str) -> tuple[str, AttachedStream]:
        """Make an exec and attach to it."""
        asked = {
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "Cmd": list(argv),
            "User": user,
        }
        path = f"containers/{container}/exec"
        made = await self._http.call("POST", path, doing="make a way to the agent", body=asked)
        handle = str(made["Id"])
        return handle, await self._http.attach(
            f"exec/{handle}/start", params={}, body={"Detach": False, "Tty": False},
            doing="start a way to the agent",
        )  # fmt: skip

    async def show_process(self, handle: str) -> dict[str, Any]:
        """Inspect an exec."""
        return await self._http.call("GET", f"exec/{handle}/json", doing="look at an exec")

    async def remove_volume(self, name: str) -> None:
        """Remove a volume."""
        path = f"volumes/{name}"
        await self._http.call("DELETE", path, doing="remove a volume", setting="remove_timeout_s")

    async def containers(self, labels: Mapping[str, str]) -> list[Found]:
        """List containers."""
        params = {"all": "true", **filters(labels)}
        listed = await self._http.call("GET", "containers/json", doing="list containers", params=params)
        return with_labels([found(each, "Id") for each in listed or ()], labels)

    async def remove_helper(self, container: str) -> None:
        """Remove a helper container; one that is absent or that the engine keeps is left to the next sweep."""
        with contextlib.suppress(EngineAnswer, DevbenchError):
            await self.remove_container(container)

    async def put_archive(self, container: str, path: str, tar: bytes, *, doing: str, setting: str) -> None:
        """Unpack a tar."""
        await self._http.put_archive(container, path, tar, doing=doing, setting=setting)

    async def get_archive(self, container: str, path: str, *, doing: str, setting: str) -> bytes:
        """Return a tar."""
        return await self._http.get_archive(container, path, doing=doing, setting=setting)


@asynccontextmanager
async def kept(
    create: Callable[[], Awaitable[dict[str, Any]]], remove: Callable[[str], Awaitable[None]]
) -> AsyncGenerator[str, None]:
    """Make a container for the length of a block; who is cancelled while it is made removes it still."""
    making = asyncio.ensure_future(create())
    try:
        made = await asyncio.shield(making)
    except asyncio.CancelledError:
        with contextlib.suppress(EngineAnswer, DevbenchError):
            await remove(str((await making)["Id"]))
        raise
    try:
        yield str(made["Id"])
    finally:
        await asyncio.shield(remove(str(made["Id"])))


def filters(labels: Mapping[str, str], **more: list[str]) -> dict[str, str]:
    """Return the query that asks a list for labels."""
    return {"filters": json.dumps({"label": [f"{name}={value}" for name, value in labels.items()], **more})}


def with_labels(listed: list[Found], labels: Mapping[str, str]) -> list[Found]:
    """Return what has all labels: some versions of Podman join the filters of volumes by "or"."""
    return [each for each in listed if labels.items() <= each.labels.items()]


def found(shown: dict[str, Any], key: str) -> Found:
    """Return an entry of a list."""
    created = shown.get("CreatedAt") or shown.get("Created")
    made = datetime.fromtimestamp(created, UTC) if isinstance(created, int) else moment(created)
    return Found(name=str(shown[key]), labels=table(shown, "Labels"), created=made)
