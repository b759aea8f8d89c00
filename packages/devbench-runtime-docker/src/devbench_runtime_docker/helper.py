"""Helper containers: made, never started, only there so that the engine's archive calls reach volumes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.http_calls import kept
from devbench_core.engines.names import LABEL_ROLE, ROLE_HELPER
from devbench_core.errors import DevbenchError
from devbench_runtime_docker.engine import Engine


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


def helper(
    engine: Engine, image_id: str, mounts: list[dict[str, Any]], labels: Mapping[str, str], *, name: str = ""
) -> AbstractAsyncContextManager[str]:
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
    params = {"name": name} if name else {}
    doing, setting = "make a helper container", "fill_timeout_s"
    return kept(
        lambda: engine.call(
            "POST", "containers/create", doing=doing, setting=setting, params=params, body=body
        ),
        lambda container: remove_helper(engine, container),
    )


async def remove_helper(engine: Engine, container: str) -> None:
    """Remove a helper container; one that is absent or that the engine keeps is left to the next sweep."""
    with contextlib.suppress(EngineAnswer, DevbenchError):
        await engine.call(
            "DELETE", f"containers/{container}", doing="remove a helper container", setting="remove_timeout_s",
            params={"force": "1", "v": "1"},
        )  # fmt: skip
