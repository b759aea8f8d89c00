"""Requests for lines, moves, copies and modes on a channel. All raise as `AgentChannel.ask`."""

from __future__ import annotations

from devbench_core.channel.change_messages import (
    ChangeMode,
    Copied,
    Copy,
    ModeChanged,
    ModeFlag,
    Move,
    Moved,
    PairFlag,
    ReadLines,
)
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.file_messages import Made, MakeDir
from devbench_core.channel.linereply import LinesAsked, LinesRead, LinesReply
from devbench_core.channel.replies import OneReply

WIDEST = 4
EXACT_MODE = 4


async def read_lines(channel: AgentChannel, path: bytes, asked: LinesAsked) -> LinesRead:
    """Read lines; the agent finds where they are."""
    window = channel.limits.window_bytes // WIDEST * WIDEST
    return await channel.ask(
        lambda number: ReadLines(
            id=number,
            path=path,
            first=asked.first,
            count=asked.count,
            max=asked.most,
            limit=min(window, asked.most),
            width=asked.width,
            order=asked.order,
        ),
        lambda number: LinesReply(number, asked, window, channel.post),
    )


async def move(
    channel: AgentChannel, path: bytes, to: bytes, *, flags: PairFlag, if_match: str, if_match_to: str
) -> Moved:
    """Rename."""
    return await channel.ask(
        lambda number: Move(
            id=number, path=path, to=to, flags=flags, if_match=if_match, if_match_to=if_match_to
        ),
        lambda _: OneReply(Moved),
    )


async def copy(
    channel: AgentChannel,
    path: bytes,
    to: bytes,
    *,
    flags: PairFlag,
    entries: int,
    most: int,
    if_match: str,
    if_match_to: str,
) -> Copied:
    """Copy a file or a folder of at most so many entries and bytes."""
    return await channel.ask(
        lambda number: Copy(
            id=number,
            path=path,
            to=to,
            flags=flags,
            entries=entries,
            bytes=most,
            if_match=if_match,
            if_match_to=if_match_to,
        ),
        lambda _: OneReply(Copied),
    )


async def change_mode(
    channel: AgentChannel,
    path: bytes,
    *,
    flags: ModeFlag,
    mode: int,
    folder_mode: int,
    entries: int,
    if_match: str,
) -> ModeChanged:
    """Change permission bits of at most so many entries."""
    return await channel.ask(
        lambda number: ChangeMode(
            id=number,
            path=path,
            flags=flags,
            mode=mode,
            folder_mode=folder_mode,
            entries=entries,
            if_match=if_match,
        ),
        lambda _: OneReply(ModeChanged),
    )


async def make_dir(channel: AgentChannel, path: bytes, *, parents: bool, mode: int) -> Made:
    """Make a folder with exactly this mode. With ``parents`` one that is there is fine."""
    flags = EXACT_MODE | (3 if parents else 0)
    return await channel.ask(
        lambda number: MakeDir(id=number, path=path, flags=flags, mode=mode), lambda _: OneReply(Made)
    )
