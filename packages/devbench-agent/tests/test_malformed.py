from __future__ import annotations

import contextlib
import os
import random
import struct

import pytest

from agent_process import TOKEN, Agent
from agent_wire import (
    ACK,
    AUTH,
    CANCEL,
    DATA,
    DIR,
    ENDED_ACK,
    ERROR,
    FILE_WINDOW,
    HELLO,
    INHERIT_ENV,
    LIMIT,
    OUTPUT,
    PING,
    READ,
    RESIZE,
    RESUME,
    SIGNAL,
    START,
    STAT,
    STDIN,
    STDIN_EOF,
    STDIN_STREAM,
    WELCOME,
    WINDOW,
    WRITE,
    WRITE_END,
    Channel,
    Closed,
    frame,
    text,
)

MALFORMED, TOO_LARGE, UNEXPECTED = 1, 6, 7


def start_payload(argc: int = 1, argv: bytes = text("true"), envc: int = 0, env: bytes = b"") -> bytes:
    head = text("k") + struct.pack(">IQIIQQQiHH", INHERIT_ENV, 0, 0, 0, 0, 0, 2**64 - 1, 0, 0, 0) + text("")
    return head + struct.pack(">I", argc) + argv + struct.pack(">I", envc) + env


BAD_FRAMES = {
    "flags": (frame(PING, 0, b"", flags=1), MALFORMED),
    "a long ping": (frame(PING, 0, bytes(65)), MALFORMED),
    "a huge ping": (struct.pack(">IBBI", 262145, PING, 0, 0), TOO_LARGE),
    "a huge start": (struct.pack(">IBBI", (4 << 20) + 1, START, 0, 1), TOO_LARGE),
    "the largest length": (struct.pack(">IBBI", 2**32 - 1, START, 0, 1), TOO_LARGE),
    "an unknown type": (frame(0x99, 1), UNEXPECTED),
    "type 0": (frame(0, 0), UNEXPECTED),
    "a reserved type": (frame(0x5F, 1), UNEXPECTED),
    "the agent's own HELLO": (frame(HELLO, 0), UNEXPECTED),
    "the agent's own WELCOME": (frame(WELCOME, 0), UNEXPECTED),
    "the agent's own OUTPUT": (frame(OUTPUT, 1, bytes(20)), UNEXPECTED),
    "a second AUTH": (frame(AUTH, 0, bytes(100)), UNEXPECTED),
    "a short limit": (frame(LIMIT, 0, bytes(3)), MALFORMED),
    "a long limit": (frame(LIMIT, 0, bytes(5)), MALFORMED),
    "a limit of one command": (frame(LIMIT, 1, bytes(4)), MALFORMED),
    "a command with id 0": (frame(START, 0, start_payload()), MALFORMED),
    "an empty start": (frame(START, 1), MALFORMED),
    "a start with more behind it": (frame(START, 1, start_payload() + b"x"), MALFORMED),
    "a start with fewer arguments than said": (frame(START, 1, start_payload(argc=2)), MALFORMED),
    "a start without arguments": (frame(START, 1, start_payload(argc=0, argv=b"")), MALFORMED),
    "a start with too many arguments": (frame(START, 1, start_payload(argc=65537)), MALFORMED),
    "a start with 2^32-1 arguments": (frame(START, 1, start_payload(argc=2**32 - 1)), MALFORMED),
    "a start with 2^32-1 variables": (frame(START, 1, start_payload(envc=2**32 - 1)), MALFORMED),
    "a start with an argument longer than it": (
        frame(START, 1, start_payload(argv=b"\xff\xff\xff\xff")),
        MALFORMED,
    ),
    "a NUL in an argument": (frame(START, 1, start_payload(argv=text(b"a\0b"))), MALFORMED),
    "a short window": (frame(WINDOW, 1, b"1234567"), MALFORMED),
    "a long ack": (frame(ACK, 1, bytes(9)), MALFORMED),
    "an ending's ack with a payload": (frame(ENDED_ACK, 1, b"x"), MALFORMED),
    "a short resume": (frame(RESUME, 1, bytes(15)), MALFORMED),
    "a short cancel": (frame(CANCEL, 1, bytes(3)), MALFORMED),
    "a short signal": (frame(SIGNAL, 1, bytes(1)), MALFORMED),
    "a short resize": (frame(RESIZE, 1, bytes(3)), MALFORMED),
    "a long resize": (frame(RESIZE, 1, bytes(5)), MALFORMED),
    "a short stdin": (frame(STDIN, 1, bytes(7)), MALFORMED),
    "a stdin that is too long": (frame(STDIN, 1, bytes(8 + 65537)), MALFORMED),
    "a short end of stdin": (frame(STDIN_EOF, 1, bytes(7)), MALFORMED),
    "an unknown stat flag": (frame(STAT, 1, struct.pack(">I", 2) + text("")), MALFORMED),
    "a NUL in a path": (frame(STAT, 1, struct.pack(">I", 0) + text(b"a\0b")), MALFORMED),
    "a path longer than its frame": (frame(STAT, 1, struct.pack(">II", 0, 5) + b"abc"), MALFORMED),
    "a short read": (frame(READ, 1, text("f") + bytes(23)), MALFORMED),
    "an unknown write flag": (
        frame(WRITE, 1, text("f") + struct.pack(">IIQ", 64, 0, 0) + text("")),
        MALFORMED,
    ),
    "an etag that is too long": (
        frame(WRITE, 1, text("f") + struct.pack(">IIQ", 0, 0, 0) + text("e" * 65)),
        MALFORMED,
    ),
    "a name that is too long": (frame(DIR, 1, text("") + text("n" * 256) + struct.pack(">I", 1)), MALFORMED),
    "a short file window": (frame(FILE_WINDOW, 1, bytes(7)), MALFORMED),
}


def closed_with(channel: Channel) -> int:
    while True:
        got = channel.receive()
        if got.type == ERROR:
            with pytest.raises(Closed):
                channel.receive()
            return got.fields.u16()


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_closes_its_channel_with_the_reason_and_hurts_nothing_else(
    agent: Agent, host: Channel, name: str
):
    data, code = BAD_FRAMES[name]
    run = host.start(77, ["sleep", "300"])
    with agent.host() as other:
        other.send_raw(data)
        assert closed_with(other) == code
    assert host.list()[77][1] == run.pid


STATEFUL_BAD: dict[str, list[bytes]] = {
    "a hole in stdin": [frame(STDIN, 5, struct.pack(">Q", 1) + b"x")],
    "stdin beyond its credit": [
        frame(STDIN, 5, struct.pack(">Q", n * 65536) + bytes(65536)) for n in range(9)
    ],
    "an end of stdin elsewhere": [frame(STDIN_EOF, 5, struct.pack(">Q", 3))],
    "stdin after its end": [
        frame(STDIN, 5, struct.pack(">Q", 0) + bytes(65536)),
        frame(STDIN, 5, struct.pack(">Q", 65536) + b"x"),
        frame(STDIN_EOF, 5, struct.pack(">Q", 65537)),
        frame(STDIN, 5, struct.pack(">Q", 65537) + b"x"),
    ],
    "an ending acknowledged before the end": [frame(ENDED_ACK, 5)],
    "data for a read": [frame(READ, 9, text("f") + struct.pack(">QQQ", 0, 99, 0)), frame(DATA, 9, b"x")],
    "the end of a write that is a read": [
        frame(READ, 9, text("f") + struct.pack(">QQQ", 0, 99, 0)),
        frame(WRITE_END, 9),
    ],
    "a request id in use": [frame(READ, 9, text("f") + struct.pack(">QQQ", 0, 99, 0))] * 2,
    "empty data": [frame(WRITE, 9, text("g") + struct.pack(">IIQ", 0, 0, 5) + text("")), frame(DATA, 9, b"")],
    "data after its end": [
        frame(WRITE, 9, text("g") + struct.pack(">IIQ", 0, 0, 5) + text(""))
        + frame(WRITE_END, 9)
        + frame(DATA, 9, b"x")
    ],
}


@pytest.mark.parametrize("name", STATEFUL_BAD)
def test_a_frame_that_does_not_fit_the_state_closes_the_channel(agent: Agent, name: str):
    (agent.workspace / "f").write_bytes(b"content")
    with agent.host() as host:
        host.start(5, ["sleep", "300"], flags=INHERIT_ENV | STDIN_STREAM)
        with contextlib.suppress(ConnectionError):  # it may close before all was sent
            for data in STATEFUL_BAD[name]:
                host.send_raw(data)
        assert closed_with(host) == MALFORMED
    with agent.host() as other:
        assert other.running == 1


@pytest.mark.parametrize("kind", [STDIN, STDIN_EOF, WINDOW, ACK, FILE_WINDOW])
def test_frames_for_what_is_over_are_ignored(host: Channel, kind: int):
    host.send(kind, 12345, bytes(8))
    for other in (ENDED_ACK, WRITE_END, 0x41):
        host.send(other, 12345)
    host.send(DATA, 12345, b"x")
    assert host.list() == {}


def test_before_authentication_only_small_frames_are_read(agent: Agent):
    with agent.connect() as channel:
        channel.send_raw(struct.pack(">IBBI", 4097, AUTH, 0, 0))
        assert closed_with(channel) == TOO_LARGE


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(2),
        struct.pack(">HH", 1, 0) + text("x") + struct.pack(">I", 2) + bytes(32) + b"\1" + TOKEN,
        struct.pack(">HH", 1, 0) + text("x") + struct.pack(">I", 0) + bytes(32) + b"\3" + TOKEN,
        struct.pack(">HH", 1, 0) + text("x" * 129) + struct.pack(">I", 0) + bytes(32) + b"\1" + TOKEN,
        struct.pack(">HH", 1, 0) + text("x") + struct.pack(">I", 0) + bytes(32) + b"\1" + TOKEN + b"x",
    ],
)
def test_a_malformed_auth_claims_nothing(agent: Agent, payload: bytes):
    with agent.connect() as channel:
        channel.send(AUTH, 0, payload)
        assert closed_with(channel) == MALFORMED
    with agent.connect() as channel:
        assert not channel.claimed


def test_frames_cut_anywhere_arrive_whole(agent: Agent, host: Channel):
    data = frame(PING, 1, b"a") + frame(PING, 2, b"b" * 64) + frame(0x21, 3)
    for cut in range(1, len(data)):
        host.send_raw(data[:cut])
        host.send_raw(data[cut:])
        assert [host.receive().id for _ in range(3)] == [1, 2, 3]


def test_a_flood_of_requests_that_nobody_reads_the_answers_of_stays_bounded(agent: Agent, instrumented: bool):
    with agent.host() as flooder:
        flood = frame(PING, 1, bytes(64)) * 1000
        for _ in range(200):
            try:
                os.write(flooder.writer, flood)
            except BlockingIOError:
                break
        with agent.host() as other:
            other.run(1, ["true"])
        assert instrumented or agent.rss_bytes() < 8 << 20


@pytest.mark.parametrize("seed", range(8))
def test_noise_never_stops_the_agent(agent: Agent, host: Channel, seed: int):
    noise = random.Random(seed)  # noqa: S311 (a reproducible pattern)
    kinds = [*range(0x10, 0x23), *range(0x30, 0x42), PING]
    for _ in range(60):
        with agent.host() as victim:
            try:
                for _ in range(20):
                    body = noise.choice(
                        [b"", noise.randbytes(noise.randrange(80)), text(noise.randbytes(5)) * 3]
                    )
                    victim.send(noise.choice(kinds), noise.randrange(4), body)
                victim.list()
            except (Closed, BrokenPipeError, ConnectionResetError, AssertionError):
                pass
    host.run(1000, ["true"])
