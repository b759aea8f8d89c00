"""Writes the seeds: one small conversation per kind of request, in the fuzzer's own wrapping."""

from __future__ import annotations

import struct
from pathlib import Path


def text(value: bytes) -> bytes:
    """A string as the protocol writes it."""
    return struct.pack(">I", len(value)) + value


def said(kind: int, ident: int, payload: bytes = b"") -> bytes:
    """One well-formed frame from the host."""
    return bytes([len(payload) + 2, 2, kind, ident]) + payload


def done(which: int, what: int, amount: int) -> bytes:
    """One action of a command's processes."""
    return bytes([3, 1, which, what, amount])


WINDOW = struct.pack(">Q", 1 << 40)


def start(flags: int, columns: int, rows: int) -> bytes:
    """A START's payload."""
    numbers = struct.pack(">IQIIQQQiHH", flags, 50, 1, 0, 1 << 40, 0, 0, 0, columns, rows)
    words = struct.pack(">I", 1) + text(b"x") + struct.pack(">I", 1) + text(b"A=1")
    return text(b"k") + numbers + text(b"") + words


START, TERMINAL, START_SIDE = start(3, 0, 0), start(19, 80, 24), start(35, 0, 0)
WRITE = text(b"d/f") + struct.pack(">IIQ", 2, 0o644, 2**64 - 1) + text(b"")
APPEND = text(b"f") + struct.pack(">IIQ", 16, 2**32 - 1, 2**64 - 1) + text(b"")
LINES = struct.pack(">qQQQBB", -2, 1, 1 << 20, 0, 1, 0)
PAIR, NO_ETAGS = text(b"f") + text(b"m/f"), text(b"") + text(b"")
COPY = text(b"m/f") + text(b"c/g") + struct.pack(">IIQ", 3, 99, 1 << 20) + NO_ETAGS


def batched(kind: int, path: bytes, *, flags: int = 0, size: int = 0, other: bytes = b"") -> bytes:
    """A BATCH_OP's payload."""
    head = struct.pack(">BIIqQ", kind, flags, 2**32 - 1, -(2**63), size)
    return head + text(path) + text(other) + text(b"")


STARTED, FAILED, ENDED, EMPTY = 0x80, 0x81, 0x82, 0x83


def walk(path: bytes, after: bytes, flags: int, include: bytes, exclude: bytes) -> bytes:
    """What FIND and GREP begin with."""
    globs = b"".join(struct.pack(">H", 1) + text(glob) for glob in (include, exclude))
    return text(path) + text(after) + struct.pack(">II", flags, 9) + globs + struct.pack(">Q", 99)


def grep(flags: int, shows: int, pattern: bytes, after: bytes = b"", place: int = 0) -> bytes:
    """A GREP's payload."""
    numbers = struct.pack(">QQBHHIIIQ", place, 1, shows, 2, 1, 3, 20, 200, 1 << 20)
    return walk(b"", after, flags, b"**", b"*.o") + numbers + text(pattern)


def written(path: bytes, data: bytes, ident: int) -> bytes:
    """A file that is there for what follows."""
    payload = text(path) + struct.pack(">IIQ", 2, 0o644, 2**64 - 1) + text(b"")
    return said(0x37, ident, payload) + said(0x34, ident, data) + said(0x38, ident)


FIND = struct.pack(">BI", 15, 3)
TREE = (
    b"\1"
    + written(b"s/t/f", b"one two\nthree \xc3\xa9\n\nlast one", 1)
    + written(b"s/.gitignore", b"*.o\n!keep\n/t/x/\n", 2)
)

SEEDS = {
    "handshake": b"\0"
    + said(2, 0, struct.pack(">HH", 1, 0) + text(b"h") + bytes(4) + bytes(32) + b"\1" + bytes(32)),
    "command": b"\1"
    + said(0x10, 1, START)
    + done(0, STARTED, 0)
    + done(0, 1, 200)
    + done(0, 0, 9)
    + said(0x13, 1, bytes(8) + b"hi")
    + said(0x14, 1, struct.pack(">Q", 2))
    + said(0x19, 1, struct.pack(">Q", 10))
    + done(0, ENDED, 1)
    + said(0x1B, 1),
    "failed": b"\1"
    + said(0x10, 1, START)
    + done(0, FAILED, 2)
    + said(0x1C, 1, bytes(8) + WINDOW)
    + said(0x1B, 1),
    "leftovers": b"\1"
    + said(0x10, 2, START)
    + done(0, STARTED, 0)
    + done(0, ENDED, 2)
    + said(0x1B, 2)
    + said(0x21, 3)
    + said(0x1F, 2, bytes(4))
    + done(0, EMPTY, 0),
    "lost": b"\1"
    + said(0x10, 2, START)
    + done(0, 0x40, 0)
    + said(0x20, 2, b"\x0f\1")
    + said(0x18, 2, WINDOW),
    "limit": b"\1"
    + said(0x09, 0, struct.pack(">I", 1))
    + said(0x10, 1, START)
    + said(0x10, 2, START)
    + done(0, STARTED, 0)
    + done(0, ENDED, 1)
    + said(0x10, 3, START),
    "terminal": b"\1"
    + said(0x10, 1, TERMINAL)
    + done(0, STARTED, 0)
    + done(0, 1, 200)
    + said(0x13, 1, bytes(8) + b"hi")
    + said(0x23, 1, struct.pack(">HH", 132, 50))
    + said(0x14, 1, struct.pack(">Q", 2))
    + done(0, ENDED, 1)
    + said(0x1B, 1),
    "side": b"\1"
    + said(0x10, 1, START_SIDE)
    + done(0, STARTED, 0)
    + said(0x2F, 1, bytes(8) + b"hi")
    + done(0, 0x20, 9)
    + done(0, 1, 200)
    + done(0, 0x20, 9)
    + said(0x20, 1, b"\x02\4")
    + done(0, ENDED, 1)
    + said(0x1B, 1),
    "write": b"\1"
    + said(0x37, 1, WRITE)
    + said(0x34, 1, b"data")
    + said(0x38, 1)
    + said(0x32, 2, text(b"d/f") + bytes(8) + WINDOW + bytes(8))
    + said(0x36, 2, WINDOW)
    + said(0x30, 3, bytes(4) + text(b"d/../d/f"))
    + said(0x3C, 4, text(b"d") + struct.pack(">I", 1) + text(b"")),
    "folders": b"\1"
    + said(0x3E, 1, text(b"a/b") + struct.pack(">II", 3, 0o755))
    + said(0x3A, 2, text(b"a") + text(b"") + struct.pack(">I", 9))
    + said(0x37, 3, WRITE)
    + said(0x41, 3),
    "watch": b"\1"
    + said(0x50, 1, text(b"") + struct.pack(">IQQIII", 1, 0, 0, 0, 0, 9))
    + said(0x3E, 2, text(b"w/x") + struct.pack(">II", 3, 0o755))
    + said(0x37, 3, text(b"w/f") + struct.pack(">IIQ", 2, 0o600, 0) + text(b""))
    + said(0x38, 3)
    + said(0x3C, 4, text(b"w") + struct.pack(">I", 1) + text(b""))
    + said(0x50, 5, text(b"w") + struct.pack(">IQQIII", 0, 5, 1, 1, 1, 9))
    + said(0x41, 1),
    "changes": b"\1"
    + said(0x37, 1, APPEND)
    + said(0x34, 1, b"one\ntwo\n")
    + said(0x38, 1)
    + said(0x42, 2, text(b"f") + LINES)
    + said(0x36, 2, WINDOW)
    + said(0x44, 3, PAIR + struct.pack(">I", 2) + NO_ETAGS)
    + said(0x46, 4, COPY)
    + said(0x48, 5, text(b"c") + struct.pack(">IIII", 1, 0o640, 0o750, 99) + text(b"")),
    "copies": b"\1"
    + said(0x3E, 1, text(b"d/e") + struct.pack(">II", 7, 0o700))
    + said(0x46, 2, text(b"d") + text(b"d/x") + struct.pack(">IIQ", 16, 99, 1 << 20) + NO_ETAGS)
    + said(0x46, 3, text(b"d") + text(b"n/x") + struct.pack(">IIQ", 50, 99, 1 << 20) + NO_ETAGS)
    + said(0x42, 4, text(b"f") + struct.pack(">qQQQBB", -2, 1, 64, 8, 2, 2))
    + said(0x41, 3),
    "batch": b"\1"
    + said(0x60, 1, bytes(4))
    + said(0x61, 1, batched(5, b"b", flags=16))
    + said(0x61, 1, batched(1, b"b/f", size=4))
    + said(0x34, 1, b"data")
    + said(0x61, 1, batched(3, b"b/h", size=1))
    + said(0x61, 1, batched(2, b"b/l", other=b"f"))
    + said(0x61, 1, batched(6, b"b/f", other=b"b/g", flags=32))
    + said(0x61, 1, batched(7, b"b"))
    + said(0x61, 1, batched(4, b"b", flags=8))
    + said(0x62, 1, struct.pack(">I", 7))
    + said(0x30, 2, bytes(4) + text(b"b/g")),
    "batch_undone": b"\1"
    + said(0x60, 1, struct.pack(">I", 3))
    + said(0x61, 1, batched(1, b"g"))
    + said(0x61, 1, batched(4, b"g"))
    + said(0x61, 1, batched(4, b"g"))
    + said(0x62, 1, struct.pack(">I", 3))
    + said(0x60, 2, bytes(4))
    + said(0x61, 2, batched(1, b"x", size=9))
    + said(0x41, 2),
    "find": TREE
    + said(0x70, 3, walk(b"s", b"", 2, b"[!a-c]*", b"?/**/x") + FIND)
    + said(0x70, 4, walk(b"", b"s/t/f", 1, b"**/f", b"[[:alpha:]]\\*") + FIND)
    + said(0x70, 5, walk(b"s", b"t", 3, b"t/", b"/f") + FIND),
    "grep": TREE
    + said(0x73, 3, grep(0, 1, rb"\b(one|t\w{2,3})+[^a-z]?$"))
    + said(0x73, 4, grep(8, 1, rb"(?i)O.*[\xc3\xa9-\xc3\xbc]{1,2}|^$", b"s/t/f", 8))
    + said(0x73, 5, grep(20, 2, b"one"))
    + said(0x73, 6, grep(2, 3, rb"[[:alpha:]]+\x61*?\B")),
    "grep-invalid": TREE
    + said(0x73, 3, grep(0, 1, b"a(b[c"))
    + said(0x73, 4, grep(0, 1, rb"(?P<n>a{2,1})\1"))
    + said(0x73, 5, grep(0, 1, b"(.{1000}){1000}")),
    "ping": b"\1" + said(6, 1, b"x") + said(7, 1, b"y") + said(5, 0, b"\0\1" + text(b"bye")),
}

if __name__ == "__main__":
    folder = Path(__file__).parent / "seeds"
    folder.mkdir(exist_ok=True)
    for name, data in SEEDS.items():
        (folder / name).write_bytes(data)
