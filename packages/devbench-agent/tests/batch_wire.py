"""Batches on the small host's channel, written from the protocol's page."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from agent_wire import DATA, FILE_ERROR, KEEP_MODE, Channel, FileError, Stat, text

BATCH, BATCH_OP, BATCH_END, BATCH_RESULTS, BATCH_DONE, BATCH_REFUSED = range(0x60, 0x66)
WRITE, LINK, HARD_LINK, DELETE, MKDIR, MOVE, DRESS = range(1, 8)
CREATE, IF_MATCH, NO_FOLLOW, RECURSIVE, MAY_EXIST, REPLACE = 1, 2, 4, 8, 16, 32
DURABLE, QUIET = 1, 2
NO_TIME = -(2**63)


class Refused(Exception):
    """The batch changed nothing."""

    def __init__(self, index: int, code: int, errno: int, etag: str, message: str) -> None:
        super().__init__(f"operation {index}: {code} {message}")
        self.index, self.code, self.errno, self.etag = index, code, errno, etag


@dataclass
class Op:
    kind: int
    path: str | bytes
    data: bytes = b""
    flags: int = 0
    mode: int = KEEP_MODE
    mtime_ns: int = NO_TIME
    other: str | bytes = ""
    match: str = ""
    size: int = -1


def op_payload(op: Op) -> bytes:
    flags = op.flags | (IF_MATCH if op.match else 0)
    size = len(op.data) if op.size < 0 else op.size
    head = struct.pack(">BIIqQ", op.kind, flags, op.mode, op.mtime_ns, size)
    return head + text(op.path) + text(op.other) + text(op.match)


def begin(host: Channel, flags: int = 0) -> int:
    request = host.request()
    host.send(BATCH, request, struct.pack(">I", flags))
    return request


def send(host: Channel, request: int, op: Op) -> None:
    host.send(BATCH_OP, request, op_payload(op))
    for at in range(0, len(op.data), 65536):
        host.send(DATA, request, op.data[at : at + 65536])


def end(host: Channel, request: int, count: int) -> list[tuple[bool, Stat]]:
    host.send(BATCH_END, request, struct.pack(">I", count))
    return answer(host, request, count)


def answer(host: Channel, request: int, count: int) -> list[tuple[bool, Stat]]:
    results: list[tuple[bool, Stat]] = []
    while True:
        got = host.reply(request)
        f = got.fields
        if got.type == BATCH_REFUSED:
            index, code, errno = f.u32(), f.u8(), f.u32()
            raise Refused(index, code, errno, f.string().decode(), f.string().decode())
        assert got.type != FILE_ERROR, FileError(f)
        if got.type == BATCH_DONE:
            assert f.u32() == count
            f.end()
            return results
        assert got.type == BATCH_RESULTS
        results += [(bool(f.u8()), Stat.take(f)) for _ in range(f.u16())]
        f.end()


def batch(host: Channel, ops: Sequence[Op], flags: int = 0) -> list[tuple[bool, Stat]]:
    request = begin(host, flags)
    for op in ops:
        send(host, request, op)
    return end(host, request, len(ops))
