"""A host is killed again and again in the middle of a command, on real runtimes: nothing of the command is lost."""

from __future__ import annotations

import asyncio
import random
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any

import attrs
import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.model.execution import Chunk, Exec, ExecReason, ExecRequest, SignalScope, StreamName
from harness.nursery import KEY, Born, Nursery, Shown, open_nursery

COMPILE_TIMEOUT_S = 60
HISTORIES, KILLS_EACH = 5, 10  # fifty kills on each runtime
DEADLINE_S = 30.0
CHECK_S = 0.005
TICKER = "/workspace/ticker"


@pytest.fixture(scope="module")
def ticker(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The program that writes a numbered line every millisecond."""
    program = tmp_path_factory.mktemp("ticker") / "ticker"
    source = Path(__file__).parent / "ticker.c"
    subprocess.run(
        ["gcc", "-static", "-Os", "-o", str(program), str(source)], check=True, timeout=COMPILE_TIMEOUT_S
    )
    return program.read_bytes()


@attrs.frozen(kw_only=True)
class History:
    """One command and the hosts that followed it.

    Attributes:
        config: Of its hosts; each history has an installation of its own.
        name: Of its container.
        chance: When hosts are killed.
    """

    config: dict[str, Any]
    name: str
    chance: random.Random
    shown: list[Shown] = attrs.field(factory=list[Shown])

    async def prepare(self, ticker: bytes) -> None:
        """Make the container, and leave it."""
        async with devbench_core.open(self.config) as bench:
            await bench.containers.spawn(SpawnRequest(alias=self.name, persistent=True))
            await bench.files.write(self.name, "ticker", ticker, mode=0o755)

    async def live_and_die(self, nursery: Nursery, number: int) -> None:
        """Let a host live for a random while: often until it was shown something and a little longer."""
        after = self.shown[-1].cursor if self.shown else 0
        host = nursery.bear(f"{self.name}-{number}", self.config, self.name, [TICKER], after)
        if self.chance.random() < 0.7:
            await until_shown(host)
            await asyncio.sleep(self.chance.uniform(0, 0.2))
        else:
            await asyncio.sleep(self.chance.uniform(0, 0.3))
        host.kill()
        while Path(f"/proc/{host.pid}").exists():  # noqa: ASYNC240 - a folder of the kernel
            await asyncio.sleep(CHECK_S)
        self.shown.extend(host.pages())

    async def close(self) -> None:
        """Let a last host live cleanly, end the command, and compare everything."""
        async with devbench_core.open(self.config) as bench:
            request = ExecRequest(argv=(TICKER,))
            found = await bench.execs.start(self.name, request, idempotency_key=KEY)
            assert found.replayed, "one of the hosts must have started it"
            assert found.ending is None, "it runs"
            await bench.execs.signal(found.id, "USR1", scope=SignalScope.LEADER)
            ended = await bench.execs.wait(found.id, wait_s=DEADLINE_S)
            process = await bench.execs.process(found.id)
            self.compare(ended, [chunk async for chunk in process.output()])
            assert [each.id for each in await bench.execs.list(self.name)] == [found.id]
            assert (await bench.files.read(self.name, "runs")).data == b"ran\n"

    async def clean_up(self) -> None:
        """Remove the container."""
        async with devbench_core.open(self.config) as bench:
            await bench.containers.kill(self.name)

    def compare(self, ended: Exec, chunks: list[Chunk]) -> None:
        """Compare the whole history: what was ever shown, and every line."""
        assert [chunk.seq for chunk in chunks] == list(range(1, len(chunks) + 1))
        assert not any(chunk.lost_bytes for chunk in chunks)
        out, err = (
            b"".join(chunk.data for chunk in chunks if chunk.stream is stream)
            for stream in (StreamName.STDOUT, StreamName.STDERR)
        )
        last = int(out.split()[-1])
        assert out == b"".join(b"%d\n" % n for n in range(1, last + 1) if n % 10) + b"end %d\n" % last
        assert err == b"".join(b"%d\n" % n for n in range(10, last + 1, 10))
        for page in self.shown:
            assert page.size == sum(len(chunk.data) for chunk in chunks[page.after : page.cursor])
        assert ended.ending is not None
        assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 7)
        assert ended.ending.output_bytes == len(out) + len(err)


async def until_shown(host: Born) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not host.pages():
        assert time.monotonic() < deadline, "a host shows nothing"
        await asyncio.sleep(CHECK_S)


@pytest.mark.loop_may_stall("it waits for the nursery")
async def test_a_host_killed_fifty_times_in_mid_command_loses_and_repeats_nothing(
    config: dict[str, Any], tmp_path: Path, ticker: bytes
):
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    histories = [
        History(
            config={**config, "state_dir": str(tmp_path / f"state{number}")},
            name=f"h{number}",
            chance=random.Random(seed + number),  # noqa: S311 - when hosts are killed
        )
        for number in range(HISTORIES)
    ]

    async def one(history: History, nursery: Nursery) -> None:
        await history.prepare(ticker)
        for number in range(KILLS_EACH):
            await history.live_and_die(nursery, number)
        await history.close()

    try:
        with open_nursery(config, tmp_path / "reports") as nursery:
            await asyncio.gather(*(one(history, nursery) for history in histories))
    finally:
        await asyncio.gather(*(history.clean_up() for history in histories))
    pages = sum(len(history.shown) for history in histories)
    assert pages > HISTORIES * KILLS_EACH, "hosts died in the middle of what they were shown"
