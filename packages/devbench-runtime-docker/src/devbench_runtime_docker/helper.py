"""Helper containers: made, never started, only there so that the engine's archive calls reach volumes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from devbench_core.engines.http_calls import kept
from devbench_core.engines.names import LABEL_ROLE, ROLE_HELPER
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
    engine: Engine,
    image_id: str,
    mounts: list[dict[str, Any]],
    labels: Mapping[str, str],
    *,
    name: str,
    remove: Callable[[str], Awaitable[None]],
) -> AbstractAsyncContextManager[str]:
    """Make a helper container, and have it removed by its id at the end, also when cancelled.

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
    doing, setting = "make a helper container", "fill_timeout_s"
    return kept(
        lambda: engine.call(
            "POST", "containers/create", doing=doing, setting=setting, params={"name": name}, body=body
        ),
        remove,
    )
