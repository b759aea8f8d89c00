"""The core, opened in this process on the configured store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import devbench_core.bench
from devbench_cli.backends.protocol import Backend
from devbench_core.bench import Bench, Config
from devbench_core.containers.repository import KIND
from devbench_core.errors import DevbenchError, ValidationFailed
from devbench_core.model.caller import Caller
from devbench_core.tool import ProgressSink
from devbench_core.tools.call import call_tool
from devbench_core.tools.progress import pull_progress

CLI_TTL_S = 24 * 3600.0
"""Containers of the command line outlive it; unless told otherwise, not for longer than a day."""
SWEEP_TIMEOUT_S = 5.0
CALLER = Caller(client="devbench-cli")


@runtime_checkable
class SupportsImport(Protocol):
    """A runtime that can make an image of a root file system."""

    async def import_image(self, name: str, source: Path) -> Image:
        """Make an image of a tar or a folder."""
        ...


IMPORTING_CLIENTS = ("docker", "podman")


class LocalBackend:
    """Calls tools in process."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @property
    def bench(self) -> Bench:
        """The opened core."""
        return self._bench

    @property
    def default_ttl_s(self) -> float | None:
        """The configured one, else a day, never beyond the configured maximum."""
        lifetimes = self._bench.settings.lifetimes
        wanted = lifetimes.default_ttl_s or CLI_TTL_S
        return wanted if lifetimes.max_ttl_s is None else min(wanted, lifetimes.max_ttl_s)

    @property
    def stdin_max_bytes(self) -> int:
        """As configured."""
        return self._bench.settings.execs.stdin_max_bytes

    @property
    def upload_max_bytes(self) -> int:
        """As configured."""
        return self._bench.settings.files.write_max_bytes

    async def call(
        self, tool: str, arguments: Mapping[str, object], *, progress: ProgressSink | None = None
    ) -> Mapping[str, Any]:
        """Call a tool in process."""
        result = await call_tool(self._bench, tool, arguments, caller=CALLER, progress=progress)
        return result.structured

    async def pull(self, name: str, *, progress: ProgressSink | None = None) -> Image:
        """Resolve an image, which pulls it where the pull policy says so."""
        follow = None if progress is None else pull_progress(progress)
        return await self._bench.images.resolve(name, caller=CALLER, progress=follow)

    async def import_image(self, name: str, source: Path) -> Image:
        """Hand the tar or folder to the runtime."""
        runtime = self._bench.runtime
        if not isinstance(runtime, SupportsImport):
            raise ValidationFailed(
                "runtime",
                f"{runtime.name!r} does not import root file systems",
                hint=f"{runtime.name} import {source} {name}"
                if runtime.name in IMPORTING_CLIENTS
                else "use --runtime bubblewrap",
            )
        return await runtime.import_image(name, source)


@asynccontextmanager
async def open_local(
    config: Config, overrides: Mapping[str, Any], *, serving: bool = False
) -> AsyncGenerator[LocalBackend]:
    """Open the core for the length of a block.

    Args:
        config: A file, values, or None to search for a file.
        overrides: Nested values that win.
        serving: Whether containers that are not persistent end with the block.
    """
    async with devbench_core.bench.open(config, overrides=overrides, serving=serving) as bench:
        yield LocalBackend(bench)
        with suppress(DevbenchError, TimeoutError):
            async with asyncio.timeout(SWEEP_TIMEOUT_S):
                await _look_after(bench)


async def _look_after(bench: Bench) -> None:
    """Write down uses and end what is due: nobody else may be there to do so."""
    if not (await bench.store.list(KIND, limit=1)).records:
        return
    await bench.containers.note()
    if await bench.containers.wants_round():  # it is done beneath a lease, for which the disk is waited
        from devbench_core.leading.leader import Leader

        await Leader(bench).once(purging=False)


@asynccontextmanager
async def opened_to_look(config: Config, overrides: Mapping[str, Any]) -> AsyncGenerator[Bench]:
    """Open the core for the length of a block, and do nothing by itself: neither at the start nor at the end."""
    async with devbench_core.bench.open(config, overrides=overrides, serving=False, passive=True) as bench:
        yield bench


if TYPE_CHECKING:
    from devbench_core.model.image import Image

    _: type[Backend] = LocalBackend
