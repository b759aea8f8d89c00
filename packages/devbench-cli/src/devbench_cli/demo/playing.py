"""Plays the demo on a private state folder that is gone afterwards, or on a remote host."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from devbench_cli.demo.narrator import Narrator
from devbench_cli.demo.workflow import Workflow
from devbench_cli.options import Options
from devbench_core.model.policy import Clause

EMBEDDED = "bubblewrap"
BOUNDS = (Clause.MEMORY, Clause.CPU, Clause.PIDS, Clause.TMPFS_SIZE)
"""Limits that an ordinary user's bubblewrap cannot set; the demo goes on without them and says so."""


async def play(options: Options, *, image: str, install_missing: bool) -> None:
    """Play all steps.

    Raises:
        DemoFailed: A step did not do what it says.
        DevbenchError: A call failed.
    """
    narrator = Narrator(options)
    began = time.monotonic()
    if options.url is not None:
        await _remotely(options, narrator, image)
    else:
        await _here(options, narrator, image, install_missing=install_missing)
    narrator.step(f"Done after {time.monotonic() - began:.1f} s")
    narrator.fact(
        "an agent gets the same tools from `devbench serve`; people use `devbench spawn` and `exec`"
    )


async def _remotely(options: Options, narrator: Narrator, image: str) -> None:
    from devbench_cli.backends.opening import open_backend

    async with open_backend(options) as backend:
        await Workflow(backend, narrator, image).run()


async def _here(options: Options, narrator: Narrator, image: str, *, install_missing: bool) -> None:
    from devbench_cli.backends.local import open_local
    from devbench_cli.demo.image import demo_image
    from devbench_cli.demo.preparing import prepare
    from devbench_core.config.load import load_settings

    with tempfile.TemporaryDirectory(  # blocks: at the start and at the end, when nothing else runs
        prefix="devbench-demo-", ignore_cleanup_errors=True
    ) as folder:
        settings = load_settings(options.config, overrides=_overrides(options, Path(folder))).settings
        await prepare(settings, install_missing=install_missing)
        async with (
            open_local(settings, {}, serving=True) as backend,
            demo_image(backend, narrator, image, install_missing=install_missing) as chosen,
        ):
            await Workflow(backend, narrator, chosen).run()
    narrator.expect(not await asyncio.to_thread(Path(folder).exists), "nothing of it is left")


def _overrides(options: Options, folder: Path) -> dict[str, Any]:
    """Keep what the user configured of engine and images, but no state of theirs."""
    other_image = {} if options.runtime else {"images": {"default": ""}}  # theirs is for their own runtime
    return {
        **other_image,
        "runtime": options.runtime or EMBEDDED,
        "state_dir": folder / "state",
        "cache_dir": folder / "cache",
        "store": "memory",
        "lock": "local",
        "installation": "",
        "policy": {"tolerate_absent": BOUNDS},
    }
