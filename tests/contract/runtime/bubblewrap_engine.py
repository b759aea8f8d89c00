"""The suite's bubblewrap: the machine's own."""

import asyncio
import os
from pathlib import Path

from contract.runtime.enginetable import EngineUnderTest, Places
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import ImageNotFound
from devbench_core.model.image import Image
from devbench_runtime_bubblewrap.plugin import plugin
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from harness.control_groups import groups_called

FOLDER = Path(f"/var/tmp/devbench-test-bubblewrap-{os.geteuid()}")
"""Everybody may pass, as the user needs that root's containers run as; imported images stay for the next run."""


def _settings(places: Places) -> BubblewrapSettings:
    _ = places
    return BubblewrapSettings(folder=FOLDER)


async def _image(runtime: Runtime, name: str, places: Places) -> Image:
    """Import a test image once for each content of its tar."""
    assert isinstance(runtime, BubblewrapRuntime)
    tar = places.rootfs_tar(name)
    try:
        return await runtime.resolve_image(tar.stem)
    except ImageNotFound:
        return await runtime.import_image(tar.stem, tar)


async def _leftovers(context: OpenContext, places: Places) -> list[str]:
    _ = places
    return await asyncio.to_thread(_left, context.installation)


def _left(installation: str) -> list[str]:
    """Return folders and control groups of an installation."""
    specs = [
        path for name in ("containers", "trash", "incoming") for path in FOLDER.glob(f"{name}/*/spec.json")
    ]
    kept = [path for path in specs if installation in path.read_text(encoding="utf-8")]
    groups = [path for group in groups_called(installation) for path in group.iterdir() if path.is_dir()]
    return [str(path) for path in (*kept, *groups)]


BUBBLEWRAP = EngineUnderTest(
    provider=plugin.devbench_runtimes()[0],
    settings=_settings,
    image=_image,
    leftovers=_leftovers,
    absent_image="never-was",
)
