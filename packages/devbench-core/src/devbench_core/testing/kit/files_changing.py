"""Exports of files that programs in the container write all the time: each is what it was at one moment."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from devbench_core.errors import DevbenchError
from devbench_core.files import Files
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.files_place import Place, WithPlace

ROUNDS = 5
DEADLINE_S = 30.0
FIRST = 1_000_000
SIZE = 4 * 1024 * 1024
REWRITE = (
    f"g={FIRST}; while :; do yes $g | head -c {SIZE} | dd of=f bs=65536 conv=notrunc 2>/dev/null; "
    "g=$((g+1)); sleep 0.1; done"
)


def appending(lines: int) -> str:
    """Begin with so many lines and go on, with a rest now and then: the log shall not outgrow whoever exports it."""
    more = "while :; do echo $i; i=$((i+1)); [ $((i % 200)) -ne 0 ] || sleep 0.01; done >> f"
    return f"seq {FIRST} {FIRST + lines - 1} > f; i={FIRST + lines}; {more}"


async def size_of(place: Place) -> int:
    try:
        return (await place.files.stat(place.container, place.at("f"))).size_bytes
    except DevbenchError:
        return 0


@asynccontextmanager
async def writing(place: Place, script: str, least: int) -> AsyncGenerator[None]:
    """Let a script write to `f` while the block lasts, which begins when that has so many bytes."""
    command = await place.start_shell(script)
    try:
        async with asyncio.timeout(DEADLINE_S):
            while await size_of(place) < least:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
        yield
        assert (await place.bench.execs.wait(command.id, wait_s=0)).ending is None, "it wrote to the end"
    finally:
        await place.bench.execs.cancel(command.id)


async def exported(place: Place) -> bytes:
    archive = bytearray()
    async for piece in place.files.export_archive(place.container, place.folder, format="tar"):
        archive += piece
    with tarfile.open(fileobj=io.BytesIO(bytes(archive))) as found:
        file = found.extractfile("f")
        assert file is not None
        return file.read()


@in_time
@needs(Trait.SHELL)
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files.export_archive)
class FilesChangingContract(WithPlace):
    """Exports of files that programs write all the time."""

    @pytest.mark.parametrize("lines", [100, 700_000])
    async def test_a_log_that_grows_all_the_time_is_exported_as_far_as_it_was(self, place: Place, lines: int):
        async with writing(place, appending(lines), 8 * lines + 8):
            for _ in range(ROUNDS):
                least = await size_of(place)
                content = await exported(place)
                whole = content[: len(content) // 8 * 8]
                assert [int(line) for line in whole.split()] == list(range(FIRST, FIRST + len(whole) // 8))
                assert len(content) >= least, "what was there before the export is in it"

    async def test_a_file_that_is_rewritten_in_place_is_exported_as_of_one_moment(self, place: Place):
        async with writing(place, REWRITE, SIZE):
            seen: set[bytes] = set()
            for _ in range(ROUNDS):
                content = await exported(place)
                assert len(content) == SIZE
                lines = content.split()
                new, old = int(lines[0]), int(lines[-1])
                assert new - old in {0, 1}, "of two generations, one of which is being written"
                assert lines == sorted(lines, reverse=True)
                seen.add(lines[0])
            assert seen
