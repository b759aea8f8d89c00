"""Where the suites' bubblewrap has its containers and images, and what is left of them."""

import os
from pathlib import Path

from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import ImageNotFound
from devbench_core.model.image import Image
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from harness.control_groups import groups_called

FOLDER = Path(f"/var/tmp/devbench-test-bubblewrap-{os.geteuid()}")
"""Everybody may pass, as the user needs that root's containers run as; imported images stay for the next run."""


async def image_of(runtime: Runtime, tar: Path) -> Image:
    """Import a test image once for each content of its tar."""
    assert isinstance(runtime, BubblewrapRuntime)
    try:
        return await runtime.resolve_image(tar.stem)
    except ImageNotFound:
        return await runtime.import_image(tar.stem, tar)


def left_of(installation: str) -> list[str]:
    """Return folders and control groups of an installation."""
    specs = [
        path for name in ("containers", "trash", "incoming") for path in FOLDER.glob(f"{name}/*/spec.json")
    ]
    kept = [path for path in specs if installation in path.read_text(encoding="utf-8")]
    groups = [path for group in groups_called(installation) for path in group.iterdir() if path.is_dir()]
    return [str(path) for path in (*kept, *groups)]
