"""File requests on a channel."""

from __future__ import annotations

from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.file_messages import (
    KEEP_MODE,
    Data,
    Delete,
    Deleted,
    Dir,
    Made,
    MakeDir,
    Named,
    Read,
    Stat,
    Stated,
    StatFile,
    Write,
    WriteEnd,
    WriteFlag,
    Written,
)
from devbench_core.channel.replies import EntriesReply, OneReply, ReadReply
from devbench_core.channel.wire import DATA_MAX


async def stat(channel: AgentChannel, path: bytes, *, follow: bool = False) -> Stat:
    """Describe a path beneath the workspace. Raises as `AgentChannel.ask`, as all calls here."""
    reply = await channel.ask(
        lambda number: StatFile(id=number, path=path, flags=int(follow)), lambda _: OneReply(Stated)
    )
    return reply.stat


async def read(
    channel: AgentChannel, path: bytes, *, offset: int, max_bytes: int
) -> tuple[Stat, bytes, bool, bool]:
    """Return a file's description, bytes from an offset, whether its end was reached, whether it changed."""
    window = channel.limits.window_bytes
    return await channel.ask(
        lambda number: Read(id=number, path=path, offset=offset, max=max_bytes, limit=min(window, max_bytes)),
        lambda number: ReadReply(number, max_bytes, window, channel.post),
    )


async def write(
    channel: AgentChannel, path: bytes, data: bytes, *, flags: WriteFlag, mode: int | None, if_match: str = ""
) -> Written:
    """Write a whole file atomically."""
    async with channel.asking(lambda _: OneReply(Written)) as (number, reply):
        channel.post(
            Write(
                id=number,
                path=path,
                flags=flags,
                mode=KEEP_MODE if mode is None else mode,
                size=len(data),
                if_match=if_match,
            )
        )
        for start in range(0, len(data), DATA_MAX):
            if reply.future.done():
                break  # it failed already; the agent drops the rest
            await channel.send_bulk(Data(id=number, data=data[start : start + DATA_MAX]))
            if reply.progress is not None:
                reply.progress()
        if not reply.future.done():
            await channel.send_bulk(WriteEnd(id=number))
        return await reply.future


async def list_dir(
    channel: AgentChannel, path: bytes, *, after: bytes, limit: int
) -> tuple[tuple[Named, ...], bool]:
    """Return names after one, at most ``limit``, and whether there are more."""
    return await channel.ask(
        lambda number: Dir(id=number, path=path, after=after, limit=limit),
        lambda _: EntriesReply(after, limit),
    )


async def delete(channel: AgentChannel, path: bytes, *, recursive: bool, if_match: str = "") -> None:
    """Delete a path."""
    await channel.ask(
        lambda number: Delete(id=number, path=path, flags=int(recursive), if_match=if_match),
        lambda _: OneReply(Deleted),
    )


async def make_dir(channel: AgentChannel, path: bytes, *, parents: bool, exist_ok: bool = False) -> Made:
    """Make a folder."""
    flags = int(parents) | (2 if exist_ok else 0)
    return await channel.ask(
        lambda number: MakeDir(id=number, path=path, flags=flags), lambda _: OneReply(Made)
    )
