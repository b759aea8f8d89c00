"""Readers see the whole old or the whole new content at any moment, on each runtime and image."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.errors import FileMissing
from devbench_core.files import Files
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import WithHost

SIZE = 300_000
LOOP = """cd {where}; n=0
while [ ! -e stop ]; do
  cat f > copy || {{ echo gone; exit 1; }}  # cp would refuse a file that is replaced before it is opened
  s=$(wc -c < copy); [ $s = {size} ] || {{ echo "a part: $s"; exit 1; }}
  [ "$(tr -d a < copy | wc -c)" = 0 ] || [ "$(tr -d b < copy | wc -c)" = 0 ] || {{ echo mixed; exit 1; }}
  n=$((n+1)); [ $n != {looks} ] || echo enough
done"""
LOOKS, WRITES = 3, 40


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files.write, Files.delete)
class FilesAtomicContract(WithHost):
    """Readers see the whole old or the whole new content at any moment."""

    @needs(Trait.SHELL)
    async def test_a_reader_inside_sees_no_part_and_no_gap(self, lab: Lab):
        where = await lab.folder()
        await lab.files.write(lab.container, f"{where}/f", b"a" * SIZE)
        script = LOOP.format(where=where, size=SIZE, looks=LOOKS)
        reader = await lab.start("sh", "-c", script)
        enough = asyncio.create_task(lab.until_said(reader, b"enough"))
        etag, turn = "", 0
        while turn < WRITES or not enough.done():
            content = (b"b" if turn % 2 else b"a") * SIZE
            conditional = etag if turn % 3 == 0 and etag else None
            written = await lab.files.write(lab.container, f"{where}/f", content, if_match=conditional)
            etag, turn = written.info.etag, turn + 1
        await lab.files.write(lab.container, f"{where}/stop", b"")
        done = await lab.done(reader)
        await enough
        assert (done.exit_code, done.out) == (0, b"enough\n"), "no part, no gap, and no mixture was seen"

    async def test_readers_through_devbench_see_no_part(self, lab: Lab):
        path = f"{await lab.folder()}/f"
        await lab.files.write(lab.container, path, b"0" * SIZE)
        over = asyncio.Event()

        async def look() -> int:
            looks = 0
            while not over.is_set():
                data = (await lab.files.read(lab.container, path)).data
                assert len(data) == SIZE
                assert data == data[:1] * SIZE
                looks += 1
            return looks

        async def write() -> None:
            for turn in range(30):
                await lab.files.write(lab.container, path, b"%d" % (turn % 10) * SIZE)
            over.set()

        looks, _, _ = await asyncio.gather(look(), look(), write())
        assert looks > 0

    async def test_writers_at_once_leave_one_of_their_contents_whole(self, lab: Lab):
        where = await lab.folder()
        await asyncio.gather(
            *(lab.files.write(lab.container, f"{where}/f", b"%d" % i * SIZE) for i in range(10))
        )
        data = (await lab.files.read(lab.container, f"{where}/f")).data
        assert data == data[:1] * SIZE
        assert [info.path.name for info in (await lab.files.list(lab.container, where)).entries] == ["f"]

    async def test_a_cancelled_write_leaves_the_old_content_and_nothing_else(self, lab: Lab):
        where = await lab.folder()
        await lab.files.write(lab.container, f"{where}/f", b"old")
        writing = asyncio.create_task(lab.files.write(lab.container, f"{where}/f", bytes(30_000_000)))
        await lab.files.stat(lab.container, f"{where}/f")
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert (await lab.files.read(lab.container, f"{where}/f")).data == b"old"
        if lab.has_shell:
            assert (await lab.said(f"ls -A {where}")).split() == ["f"]

    async def test_a_deleted_tree_is_gone_from_its_name_at_once(self, lab: Lab):
        where = await lab.folder()
        for i in range(60):
            await lab.files.write(lab.container, f"{where}/tree/{i % 6}/{i}", b"x", parents=True)
        deleting = asyncio.create_task(lab.files.delete(lab.container, f"{where}/tree", recursive=True))
        seen: set[int] = set()
        while not deleting.done():
            try:
                seen.add(len((await lab.files.list(lab.container, f"{where}/tree")).entries))
            except FileMissing:
                seen.add(0)
        await deleting
        assert seen <= {0, 6}
        assert (await lab.files.list(lab.container, where)).entries == ()
