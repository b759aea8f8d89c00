"""Output is separate, byte-exact, in order, numbered, and the same for everybody."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from devbench_core.contracts.process import Process
from devbench_core.execs import Execs
from devbench_core.model.execution import Chunk, ExecReason, StreamName
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.commands_actor import WithActor
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import WAIT_S, Lab

KIB = 1024
PIECES = {
    "one byte": b"x",
    "no line end": b"no line end",
    "NUL": b"\0a\0\0b\0",
    "every byte": bytes(range(256)),
    "no utf-8": b"\xff\xfe\x80\xc3\x28\xed\xa0\x80",
    "half a character": "ü".encode()[:1],
    "line ends": b"a\r\nb\rc\n\n\n",
    "escapes": b"\x1b[31mred\x1b[0m\x07\x08",
    "a chunk but one": b"a" * (64 * KIB - 1),
    "a chunk": b"b" * (64 * KIB),
    "a chunk and one": b"c" * (64 * KIB + 1),
    "more than a spool": bytes(range(256)) * 6 * KIB,
}
STREAMS = {StreamName.STDOUT: "cat", StreamName.STDERR: "cat >&2"}


async def everything(lab: Lab, exec_id: str, max_bytes: int | None = None) -> tuple[Chunk, ...]:
    chunks: list[Chunk] = []
    cursor = 0
    while True:
        page = await lab.bench.execs.poll(exec_id, after=cursor, wait_s=WAIT_S, max_bytes=max_bytes)
        chunks += page.chunks
        cursor = page.cursor
        if page.ending is not None:
            return tuple(chunks)


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Process.output, Execs.poll)
class CommandsOutputContract(WithActor):
    """Output is separate, byte-exact, in order, numbered, and the same for everybody."""

    @pytest.mark.parametrize("stream", STREAMS)
    @pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
    async def test_output_is_byte_exact_on_its_own_stream(self, lab: Lab, stream: StreamName, piece: bytes):
        done = await lab.sh(STREAMS[stream], stdin=piece)
        assert (done.out, done.err) == ((piece, b"") if stream is StreamName.STDOUT else (b"", piece))
        assert done.ending.output_bytes == len(piece)

    async def test_a_command_that_writes_nothing_has_no_output(self, lab: Lab):
        done = await lab.run("true")
        assert (done.chunks, done.ending.output_bytes) == ((), 0)

    @pytest.mark.parametrize("script", ["exec >&-; echo err >&2", "exec 2>&-; echo err", "exec >&- 2>&-"])
    async def test_a_stream_that_is_closed_early_harms_nothing(self, lab: Lab, script: str):
        assert (await lab.sh(f"{script}; exit 3")).exit_code == 3

    async def test_64_mebibytes_of_noise_arrive_whole(self, lab: Lab):
        script = f"head -c {64 * KIB * KIB} /dev/urandom | tee noise; sha256sum noise >&2; rm noise"
        command = await lab.start("sh", "-c", script)
        process = await lab.bench.execs.process(command.id)
        seen, told = hashlib.sha256(), b""
        async for chunk in process.output():
            if chunk.stream is StreamName.STDOUT:
                seen.update(chunk.data)
            else:
                told += chunk.data
        assert told.split()[0].decode() == seen.hexdigest()
        assert (await process.wait()).output_bytes == 64 * KIB * KIB + len(told)

    async def test_what_a_stream_says_is_in_the_order_in_which_it_was_written(self, lab: Lab):
        script = "i=0; while [ $i -lt 3000 ]; do echo $i; echo $i >&2; i=$((i+1)); done"
        done = await lab.sh(script)
        assert done.out == done.err == b"".join(b"%d\n" % number for number in range(3000))

    async def test_both_streams_share_one_numbering_without_gaps(self, lab: Lab):
        done = await lab.sh("for i in 1 2 3 4 5; do echo $i; sleep 0.01; echo $i >&2; sleep 0.01; done")
        assert [chunk.seq for chunk in done.chunks] == list(range(1, len(done.chunks) + 1))
        assert {chunk.stream for chunk in done.chunks} == set(STREAMS)

    async def test_parts_that_are_written_apart_are_read_in_their_order_across_streams(self, lab: Lab):
        done = await lab.sh("for i in 1 2 3; do echo o$i; sleep 0.05; echo e$i >&2; sleep 0.05; done")
        assert b"".join(chunk.data for chunk in done.chunks).split() == [
            b"o1",
            b"e1",
            b"o2",
            b"e2",
            b"o3",
            b"e3",
        ]

    async def test_two_readers_at_once_and_a_late_one_get_the_same_chunks(self, lab: Lab):
        command = await lab.start("sh", "-c", "for i in $(seq 300); do echo $i; echo $i >&2; done; sleep 0.1")
        one, other = await asyncio.gather(everything(lab, command.id), everything(lab, command.id))
        assert one == other == await everything(lab, command.id)

    @pytest.mark.parametrize("max_bytes", [1, 7, 1000, 65_536, 10**6])
    async def test_pages_of_any_size_give_the_same_chunks(self, lab: Lab, max_bytes: int):
        done = await lab.sh("for i in $(seq 40); do seq 200; seq 50 >&2; done")
        assert await everything(lab, done.record.id, max_bytes) == done.chunks

    async def test_the_same_cursor_gives_the_same_bytes_again_at_any_place(self, lab: Lab):
        done = await lab.sh("for i in 1 2 3 4 5 6; do echo $i; echo $i >&2; sleep 0.01; done")
        for chunk in done.chunks:
            page = await lab.bench.execs.poll(done.record.id, after=chunk.seq - 1)
            assert page.chunks == done.chunks[chunk.seq - 1 :]

    async def test_the_first_byte_is_seen_before_the_end(self, lab: Lab):
        command = await lab.start("sh", "-c", "printf x; read never", open_stdin=True)
        page = await lab.bench.execs.poll(command.id, wait_s=WAIT_S)
        assert (page.chunks[0].data, page.ending) == (b"x", None)
        await (await lab.bench.execs.process(command.id)).close_stdin()
        assert (await lab.done(command)).exit_code == 1

    async def test_a_poll_without_a_wait_returns_at_once(self, lab: Lab):
        command = await lab.start("sleep", "600")
        async with asyncio.timeout(5):
            page = await lab.bench.execs.poll(command.id)
        assert (page.chunks, page.cursor, page.ending) == ((), 0, None)
        await lab.bench.execs.cancel(command.id)

    async def test_a_reader_who_does_not_come_holds_nobody_up(self, lab: Lab):
        done = await lab.run("head", "-c", "8000000", "/dev/zero")
        assert len(done.out) == 8_000_000

    async def test_output_that_was_written_just_before_an_end_by_force_is_kept(self, lab: Lab):
        done = await lab.sh("seq 20000; kill -9 $$")
        assert done.ending.reason is ExecReason.SIGNALED
        assert done.out == b"".join(b"%d\n" % number for number in range(1, 20001))

    @pytest.mark.parametrize("commands", [2, 4])
    async def test_commands_at_once_do_not_mix(self, lab: Lab, commands: int):
        scripts = [f"for i in $(seq 2000); do echo {number}; done" for number in range(commands)]
        results = await asyncio.gather(*(lab.sh(script) for script in scripts))
        for number, done in enumerate(results):
            assert done.out == b"%d\n" % number * 2000
