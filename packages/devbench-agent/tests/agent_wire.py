"""A small host, written from the protocol's page and not from the product's codec."""

from __future__ import annotations

import hashlib
import hmac
import os
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

HELLO, AUTH, WELCOME, ERROR, GOODBYE, PING, PONG, REFUSED, LIMIT = range(0x01, 0x0A)
START, STARTED, FAILED, STDIN, STDIN_EOF, STDIN_CREDIT, OUTPUT, GAP = range(0x10, 0x18)
WINDOW, ACK, ENDED, ENDED_ACK, RESUME, RESUMED, DETACHED, CANCEL = range(0x18, 0x20)
SIGNAL, LIST, EXECS, RESIZE = range(0x20, 0x24)
SIDE_INPUT = 0x2F
STAT, STATED, READ, READ_META, DATA, READ_END, FILE_WINDOW, WRITE = range(0x30, 0x38)
WRITE_END, WRITTEN, DIR, ENTRIES, DELETE, DELETED, MKDIR, MADE = range(0x38, 0x40)
FILE_ERROR, ABORT = 0x40, 0x41

INHERIT_ENV, STDIN_STREAM, DROP_WHEN_DETACHED, END_LEFTOVERS, TERMINAL, SIDE_STREAM = 1, 2, 4, 8, 16, 32
EXITED, SIGNALED, TIMED_OUT, CANCELLED, LOST = range(1, 6)
NOT_FOUND, IS_DIRECTORY, NOT_DIRECTORY, EXISTS, PERMISSION, CONFLICT, OUTSIDE = range(1, 8)
INVALID, NOT_EMPTY, ABORTED, NOT_A_FILE = 12, 13, 15, 17
CREATE_ONLY, PARENTS, FSYNC, IF_MATCH = 1, 2, 4, 8
FOREVER = 2**63
UNKNOWN_SIZE = 2**64 - 1
KEEP_MODE = 2**32 - 1
DEADLINE_S = 20.0


class Closed(Exception):
    """The channel is over; `code` is that of ERROR or GOODBYE, 0 without one."""

    def __init__(self, frame: Frame | None) -> None:
        fields = frame.fields if frame else None
        self.type = frame.type if frame else 0
        self.code = fields.u16() if fields else 0
        self.message = fields.string().decode() if fields else "end of stream"
        super().__init__(f"type {self.type:#x}, code {self.code}: {self.message}")


class FileError(Exception):
    def __init__(self, fields: Fields) -> None:
        self.code = fields.u8()
        self.errno = fields.u32()
        self.etag = fields.string().decode()
        super().__init__(f"{self.code}: {fields.string().decode()}")
        fields.end()


class Fields:
    """Reads a payload."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.at = 0

    def raw(self, n: int) -> bytes:
        assert self.at + n <= len(self.payload), "the payload is too short"
        self.at += n
        return self.payload[self.at - n : self.at]

    def u8(self) -> int:
        return self.raw(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.raw(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.raw(4), "big")

    def u64(self) -> int:
        return int.from_bytes(self.raw(8), "big")

    def string(self) -> bytes:
        return self.raw(self.u32())

    def rest(self) -> bytes:
        return self.raw(len(self.payload) - self.at)

    def end(self) -> None:
        assert self.at == len(self.payload), "the payload is not used up"


@dataclass
class Frame:
    type: int
    id: int
    payload: bytes

    @property
    def fields(self) -> Fields:
        return Fields(self.payload)


@dataclass
class Stat:
    type: int
    mode: int
    size: int
    mtime_ns: int
    uid: int
    gid: int
    etag: str
    target: bytes

    @classmethod
    def take(cls, f: Fields) -> Stat:
        numbers = (f.u8(), f.u32(), f.u64(), f.u64(), f.u32(), f.u32())
        return cls(*numbers, f.string().decode(), f.string())


@dataclass
class Ending:
    reason: int
    exit_code: int | None
    signal: int
    core_dumped: int
    wall_us: int
    user_us: int
    system_us: int
    max_rss_bytes: int
    voluntary_switches: int
    involuntary_switches: int
    read_bytes: int
    written_bytes: int
    output_end: int
    leftovers: int
    message: str


@dataclass
class Run:
    """What came of one command so far."""

    handle: int
    pid: int = 0
    started: bool = False
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    side: bytearray = field(default_factory=bytearray)
    pieces: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    next: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    ending: Ending | None = None
    failed: tuple[int, int] | None = None
    refused: int = 0
    detached: bool = False
    resumed: Frame | None = None
    stdin_limit: int = 65536
    stdin_closed: bool = False


def _started(run: Run, got: Frame) -> None:
    run.pid, run.started = got.fields.u32(), True


def _failed(run: Run, got: Frame) -> None:
    assert run.failed is None
    f = got.fields
    run.failed = (f.u8(), f.u32())


def _output(run: Run, got: Frame) -> None:
    f = got.fields
    assert f.u64() == run.next
    number = f.u8()
    data = f.rest()
    run.pieces.append((number, data))
    stream = {1: run.stdout, 2: run.stderr, 3: run.side}[number]
    assert 0 < len(data) <= 65536
    stream += data
    run.next += len(data)


def _gap(run: Run, got: Frame) -> None:
    f = got.fields
    run.gaps.append((f.u64(), f.u64()))
    assert run.gaps[-1][0] == run.next
    run.next = run.gaps[-1][1]


def _ended(run: Run, got: Frame) -> None:
    assert run.ending is None
    f = got.fields
    reason, code = f.u8(), f.u32()
    signal, usage = (
        (f.u32(), f.u8()),
        (f.u64(), f.u64(), f.u64(), f.u64(), f.u64(), f.u64(), f.u64(), f.u64()),
    )
    numbers = (*signal, *usage, f.u64(), f.u32())
    run.ending = Ending(reason, None if code == 2**32 - 1 else code, *numbers, f.string().decode())
    f.end()
    assert run.ending.output_end == run.next


def _credit(run: Run, got: Frame) -> None:
    f = got.fields
    run.stdin_limit, run.stdin_closed = f.u64(), bool(f.u8())


def _resumed(run: Run, got: Frame) -> None:
    run.resumed = got


def _detached(run: Run, got: Frame) -> None:
    assert got.payload == b""
    run.detached = True


def _refused(run: Run, got: Frame) -> None:
    f = got.fields
    f.u8()
    run.refused = f.u16()


_KEEP = {
    STARTED: _started,
    FAILED: _failed,
    OUTPUT: _output,
    GAP: _gap,
    ENDED: _ended,
    STDIN_CREDIT: _credit,
    RESUMED: _resumed,
    DETACHED: _detached,
    REFUSED: _refused,
}


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


def frame(kind: int, ident: int = 0, payload: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">IBBI", len(payload), kind, flags, ident) + payload


def proof(token: bytes, label: bytes, first: bytes, second: bytes) -> bytes:
    return hmac.new(token, label + first + second, hashlib.sha256).digest()


class Channel:
    """One channel over two descriptors."""

    def __init__(self, reader: int, writer: int, *, auto_ack: bool = True) -> None:
        self.reader, self.writer = reader, writer
        self.buffer = bytearray()
        self.waiting: deque[Frame] = deque()
        self.runs: dict[int, Run] = {}
        self.auto_ack = auto_ack
        self.boot_id = self.agent_nonce = b""
        self.claimed = False
        self.features: list[str] = []
        self.highest = self.running = self.ended = self.pid = 0
        self._last_request = 0
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)

    # -- bytes --

    def send_raw(self, data: bytes, within_s: float = DEADLINE_S) -> None:
        """Send all of it, and read on meanwhile: the agent reads nothing while it cannot write."""
        view = memoryview(data)
        until = time.monotonic() + within_s
        while view:
            with suppress(BlockingIOError):
                view = view[os.write(self.writer, view) :]
                continue
            left = max(until - time.monotonic(), 0)
            readable, writable, _ = select.select([self.reader], [self.writer], [], left)
            if not readable and not writable:
                raise TimeoutError("the agent took nothing in time")
            if readable and not self._fill():
                raise BrokenPipeError("the agent closed the channel")

    def send(self, kind: int, ident: int = 0, payload: bytes = b"") -> None:
        self.send_raw(frame(kind, ident, payload))

    def _take(self) -> Frame | None:
        if len(self.buffer) < 10:
            return None
        n, kind, flags, ident = struct.unpack(">IBBI", self.buffer[:10])
        assert flags == 0
        assert n <= 262144
        if len(self.buffer) < 10 + n:
            return None
        payload = bytes(self.buffer[10 : 10 + n])
        del self.buffer[: 10 + n]
        return Frame(kind, ident, payload)

    def receive(self, within_s: float = DEADLINE_S) -> Frame:
        """The next frame, whatever it is."""
        until = time.monotonic() + within_s
        while True:
            got = self._take()
            if got is not None:
                return got
            left = until - time.monotonic()
            ready = select.select([self.reader], [], [], max(left, 0))[0]
            if not ready:
                raise TimeoutError("the agent said nothing in time")
            if not self._fill():
                raise Closed(None)

    def _fill(self) -> bool:
        """Take what is there into the buffer; false at the stream's end."""
        try:
            data = os.read(self.reader, 1 << 18)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def close(self) -> None:
        os.close(self.reader)
        if self.writer != self.reader:
            os.close(self.writer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- handshake --

    def hello(self) -> None:
        got = self.receive()
        if got.type == ERROR:
            raise Closed(got)
        assert (got.type, got.id) == (HELLO, 0)
        f = got.fields
        assert f.raw(4) == b"DVBA"
        assert (f.u16(), f.u16()) == (1, 0)
        self.boot_id, self.agent_nonce = f.raw(16), f.raw(32)
        self.claimed = bool(f.u8())
        assert f.u32() == 262144
        f.end()

    def auth(
        self,
        token: bytes,
        *,
        claim: bool,
        takeover: bool = False,
        major: int = 1,
        secret: bytes | None = None,
    ) -> None:
        nonce = os.urandom(32)
        if secret is None:
            secret = token if claim else proof(token, b"devbench host v1", self.agent_nonce, nonce)
        payload = struct.pack(">HH", major, 0) + text("test") + struct.pack(">I", takeover) + nonce
        self.send(AUTH, 0, payload + bytes([1 if claim else 2]) + secret)
        got = self.receive()
        if got.type in {ERROR, GOODBYE}:
            raise Closed(got)
        assert got.type == WELCOME
        f = got.fields
        assert hmac.compare_digest(f.raw(32), proof(token, b"devbench agent v1", nonce, self.agent_nonce))
        self.pid, _, _ = f.u32(), f.u32(), f.u32()
        self.running, self.ended, self.highest = f.u32(), f.u32(), f.u32()
        self.features = [f.string().decode() for _ in range(f.u16())]
        f.end()

    # -- commands --

    def _absorb(self, got: Frame) -> None:
        """Keep what belongs to a command; put anything else aside."""
        if got.type in {ERROR, GOODBYE}:
            raise Closed(got)
        run = self.runs.get(got.id)
        if run is None or got.type not in _KEEP:
            self.waiting.append(got)
            return
        _KEEP[got.type](run, got)
        if got.type == OUTPUT and self.auto_ack:
            self.send(ACK, run.handle, struct.pack(">Q", run.next))

    def pump(self, until: Callable[[], object], within_s: float = DEADLINE_S) -> None:
        """Receive until a condition holds."""
        end = time.monotonic() + within_s
        while not until():
            self._absorb(self.receive(max(end - time.monotonic(), 0)))

    def start(
        self,
        handle: int,
        argv: Sequence[str | bytes],
        *,
        env: list[str] | None = None,
        flags: int = INHERIT_ENV,
        timeout_ms: int = 0,
        grace_ms: int = 1000,
        spool_bytes: int = 0,
        window: int = FOREVER,
        nofile: int = 0,
        core: int = 2**64 - 1,
        nice: int = 0,
        size: tuple[int, int] = (0, 0),
        cwd: str = "",
        key: str = "",
        wait: bool = True,
    ) -> Run:
        env = env or []
        payload = text(key) + struct.pack(">IQII", flags, timeout_ms, grace_ms, spool_bytes)
        payload += struct.pack(">QQQiHH", window, nofile, core, nice, *size) + text(cwd)
        payload += struct.pack(">I", len(argv)) + b"".join(map(text, argv))
        payload += struct.pack(">I", len(env)) + b"".join(map(text, env))
        run = self.runs[handle] = Run(handle)
        self.send(START, handle, payload)
        if wait:
            self.pump(lambda: run.started or run.failed or run.refused)
        return run

    def finish(self, run: Run, *, within_s: float = DEADLINE_S, ack: bool = True) -> Ending:
        self.pump(lambda: run.ending or run.failed or run.refused, within_s)
        assert run.ending, run
        if ack:
            self.send(ENDED_ACK, run.handle)
        return run.ending

    def run(
        self, handle: int, argv: Sequence[str | bytes], *, env: list[str] | None = None, cwd: str = ""
    ) -> Run:
        run = self.start(handle, argv, env=env, cwd=cwd)
        self.finish(run)
        return run

    def resume(self, handle: int, offset: int = 0, window: int = FOREVER) -> Run:
        run = self.runs[handle] = Run(handle, next=offset)
        self.send(RESUME, handle, struct.pack(">QQ", offset, window))
        self.pump(lambda: run.resumed or run.refused)
        return run

    def cancel(self, handle: int, grace_ms: int = 0) -> None:
        self.send(CANCEL, handle, struct.pack(">I", grace_ms))

    def terminal(self, handle: int, argv: Sequence[str | bytes], *, size: tuple[int, int] = (80, 24)) -> Run:
        flags = INHERIT_ENV | STDIN_STREAM | TERMINAL
        return self.start(handle, argv, flags=flags, size=size, env=["TERM=dumb", "PS1=ready$ "])

    def resize(self, handle: int, columns: int, rows: int) -> None:
        self.send(RESIZE, handle, struct.pack(">HH", columns, rows))

    def stdin(self, run: Run, offset: int, data: bytes) -> None:
        self.send(STDIN, run.handle, struct.pack(">Q", offset) + data)

    def stdin_eof(self, run: Run, offset: int) -> None:
        self.send(STDIN_EOF, run.handle, struct.pack(">Q", offset))

    def side_input(self, run: Run, offset: int, data: bytes) -> None:
        self.send(SIDE_INPUT, run.handle, struct.pack(">Q", offset) + data)

    def request(self) -> int:
        self._last_request += 1
        return self._last_request

    def reply(self, request: int) -> Frame:
        """The next frame of a request; FILE_ERROR is raised."""
        while True:
            for got in self.waiting:
                if got.id == request and (got.type >= STAT or got.type in {EXECS, PONG}):
                    self.waiting.remove(got)
                    if got.type == FILE_ERROR:
                        raise FileError(got.fields)
                    return got
            self._absorb(self.receive())

    def list(self) -> dict[int, tuple[int, int, int, int, str]]:
        request = self.request()
        self.send(LIST, request)
        f = self.reply(request).fields
        assert f.u8() == 1
        found = {f.u32(): (f.u8(), f.u32(), f.u64(), f.u64(), f.string().decode()) for _ in range(f.u16())}
        f.end()
        return found

    # -- files --

    def stat(self, path: str | bytes, *, follow: bool = False) -> Stat:
        request = self.request()
        self.send(STAT, request, struct.pack(">I", follow) + text(path))
        f = self.reply(request).fields
        got = Stat.take(f)
        f.end()
        return got

    def read(
        self, path: str | bytes, offset: int = 0, size: int = UNKNOWN_SIZE
    ) -> tuple[Stat, bytes, bool, bool]:
        request = self.request()
        self.send(READ, request, text(path) + struct.pack(">QQQ", offset, size, FOREVER))
        meta = self.reply(request)
        assert meta.type == READ_META
        data = bytearray()
        while (got := self.reply(request)).type == DATA:
            data += got.payload
        assert got.type == READ_END
        return Stat.take(meta.fields), bytes(data), bool(got.payload[0]), bool(got.payload[1])

    def write_begin(
        self,
        path: str | bytes,
        flags: int = 0,
        mode: int = KEEP_MODE,
        size: int = UNKNOWN_SIZE,
        match: str = "",
    ) -> int:
        request = self.request()
        self.send(WRITE, request, text(path) + struct.pack(">IIQ", flags, mode, size) + text(match))
        return request

    def write_end(self, request: int) -> tuple[bool, Stat]:
        self.send(WRITE_END, request)
        return self.written(request)

    def written(self, request: int) -> tuple[bool, Stat]:
        f = self.reply(request).fields
        created = bool(f.u8())
        got = Stat.take(f)
        f.end()
        return created, got

    def write(
        self, path: str | bytes, data: bytes, flags: int = 0, mode: int = KEEP_MODE, match: str = ""
    ) -> tuple[bool, Stat]:
        request = self.write_begin(path, flags, mode, len(data), match)
        for at in range(0, len(data), 65536):
            self.send(DATA, request, data[at : at + 65536])
        return self.write_end(request)

    def dir(
        self, path: str | bytes, after: str | bytes = "", limit: int = 1000
    ) -> tuple[dict[bytes, Stat], bool]:
        request = self.request()
        self.send(DIR, request, text(path) + text(after) + struct.pack(">I", limit))
        found: dict[bytes, Stat] = {}
        while True:
            f = self.reply(request).fields
            last, more = f.u8(), f.u8()
            for _ in range(f.u16()):
                name = f.string()
                found[name] = Stat.take(f)
            f.end()
            if last:
                return found, bool(more)

    def delete(self, path: str | bytes, *, recursive: bool = False, match: str = "") -> None:
        request = self.request()
        self.send(DELETE, request, text(path) + struct.pack(">I", recursive) + text(match))
        assert self.reply(request).type == DELETED

    def mkdir(self, path: str | bytes, flags: int = 0, mode: int = KEEP_MODE) -> bool:
        request = self.request()
        self.send(MKDIR, request, text(path) + struct.pack(">II", flags, mode))
        return bool(self.reply(request).fields.u8())


def connect(path: Path) -> Channel:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        reader = os.dup(client.fileno())
    return Channel(reader, reader)
