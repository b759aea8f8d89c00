"""A runtime whose engine answers while it is opened, and then is gone."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pydantic import BaseModel

from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.contracts.runtime import Runtime
from devbench_core.testing.kit.runtime_opening import OpenRuntime

PIECE = 65_536
UNIX = "unix://"


def cut_off(provider: Provider[Runtime], settings: BaseModel, host: str) -> OpenRuntime:
    """Return a function that opens the runtime by way of a door, and shuts that."""

    @asynccontextmanager
    async def opened(context: OpenContext) -> AsyncGenerator[Runtime]:
        async with _door(host.removeprefix(UNIX)) as (address, shut):
            by_way = settings.model_copy(update={"host": f"{UNIX}{address}"})
            async with provider.open(by_way, context) as runtime:
                await shut()
                yield runtime

    return opened


@asynccontextmanager
async def _door(target: str) -> AsyncGenerator[tuple[Path, Callable[[], Awaitable[None]]]]:
    """Forward a socket of its own to another one, until it is shut, which ends its connections too."""
    tasks: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        theirs, ours = await asyncio.open_unix_connection(target)
        try:
            await asyncio.gather(_pump(reader, ours), _pump(theirs, writer))
        finally:
            for end in (ours, writer):
                end.transport.abort()

    async def shut() -> None:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with tempfile.TemporaryDirectory(prefix="devbench-door-") as folder:
        address = Path(folder) / "door.sock"
        server = await asyncio.start_unix_server(pass_on, address)
        try:
            yield address, shut
        finally:
            await shut()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await source.read(PIECE):
            target.write(piece)
            await target.drain()
        target.write_eof()
