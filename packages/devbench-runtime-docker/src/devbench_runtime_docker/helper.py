"""Helper containers: made, never started, only there so that the engine's archive calls reach volumes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from devbench_core.errors import DevbenchError
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.failures import EngineAnswer
from devbench_runtime_docker.names import LABEL_ROLE, ROLE_HELPER


def volume_mount(
    volume: str, target: str, *, read_only: bool = False, labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a mount of a named volume; a volume that is absent is made with these labels."""
    options: dict[str, Any] = {"NoCopy": True}
    if labels:
        options["Labels"] = dict(labels)
    return {
        "Type": "volume", "Source": volume, "Target": target, "ReadOnly": read_only, "VolumeOptions": options,
    }  # fmt: skip


@asynccontextmanager
async def helper(
    engine: Engine, image_id: str, mounts: list[dict[str, Any]], labels: Mapping[str, str], *, name: str = ""
) -> AsyncGenerator[str, None]:
    """Make a helper container, and remove it at the end, also when cancelled.

    Raises:
        EngineAnswer: 409 when the name is taken, 404 when the image is gone.
        EngineUnreachable: The engine did not answer.
    """
    body = {
        "Image": image_id,
        "Entrypoint": ["/never-started"],
        "Labels": {**labels, LABEL_ROLE: ROLE_HELPER},
        "HostConfig": {"Mounts": mounts, "NetworkMode": "none", "LogConfig": {"Type": "none"}},
    }
    container = await _to_the_end(engine, body, {"name": name} if name else {})
    try:
        yield container
    finally:
        await asyncio.shield(remove_helper(engine, container))


async def _to_the_end(engine: Engine, body: dict[str, Any], params: dict[str, str]) -> str:
    """Make it and return its id; who is cancelled meanwhile learns the id still, and removes it."""
    making = asyncio.ensure_future(
        engine.call(
            "POST", "containers/create", doing="make a helper container", setting="fill_timeout_s",
            params=params, body=body,
        )
    )  # fmt: skip
    try:
        made = await asyncio.shield(making)
    except asyncio.CancelledError:
        with contextlib.suppress(EngineAnswer, DevbenchError):
            await remove_helper(engine, str((await making)["Id"]))
        raise
    return str(made["Id"])


async def remove_helper(engine: Engine, container: str) -> None:
    """Remove a helper container; one that is absent or that the engine keeps is left to the next sweep."""
    with contextlib.suppress(EngineAnswer, DevbenchError):
        await engine.call(
            "DELETE", f"containers/{container}", doing="remove a helper container", setting="remove_timeout_s",
            params={"force": "1", "v": "1"},
        )  # fmt: skip
