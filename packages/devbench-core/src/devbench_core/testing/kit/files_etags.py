"""Etags and conditions, on each runtime and image."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.errors import FileConflict, FileMissing, ValidationFailed
from devbench_core.files import Files
from devbench_core.model.file import FileInfo, FileWritten
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import WithHost

WRITERS = 100


async def etags(lab: Lab, path: str) -> set[str]:
    """Return what each way of asking says."""
    folder, _, name = path.rpartition("/")
    read = await lab.files.read(lab.container, path)
    stated = await lab.files.stat(lab.container, path)
    listed = {info.path.name: info for info in (await lab.files.list(lab.container, folder)).entries}
    return {read.info.etag, stated.etag, listed[name].etag}


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files.write, FileInfo)
class FilesEtagsContract(WithHost):
    """Etags and conditions."""

    async def test_every_operation_says_the_same_and_reads_change_nothing(self, lab: Lab):
        path = f"{await lab.folder()}/f"
        etag = (await lab.files.write(lab.container, path, b"x")).info.etag
        for _ in range(5):
            assert await etags(lab, path) == {etag}
            await lab.files.read(lab.container, path, offset=1)

    async def test_each_write_within_one_tick_has_an_etag_of_its_own(self, lab: Lab):
        path = f"{await lab.folder()}/f"
        seen = [(await lab.files.write(lab.container, path, b"same")).info.etag for _ in range(50)]
        assert len(set(seen)) == len(seen)
        assert await etags(lab, path) == {seen[-1]}

    async def test_a_file_that_is_made_anew_has_another_etag(self, lab: Lab):
        path = f"{await lab.folder()}/f"
        first = (await lab.files.write(lab.container, path, b"x")).info.etag
        await lab.files.delete(lab.container, path)
        assert (await lab.files.write(lab.container, path, b"x")).info.etag != first

    @needs(Trait.SHELL)
    @pytest.mark.parametrize(
        "change",
        [
            "echo y > f",
            "echo z >> f",
            "cp f g; mv g f",
            "chmod 600 f",
            "touch f",
            ": > f",
            "printf x | dd of=f conv=notrunc",
        ],
    )
    async def test_whatever_a_command_does_changes_the_etag(self, lab: Lab, change: str):
        where = await lab.folder()
        path = f"{where}/f"
        etag = (await lab.files.write(lab.container, path, b"x")).info.etag
        await lab.said(f"cd {where} && {{ {change}; }} 2>&1")
        now = await etags(lab, path)
        assert len(now) == 1
        assert now != {etag}
        with pytest.raises(FileConflict) as caught:
            await lab.files.write(lab.container, path, b"mine", if_match=etag)
        assert {caught.value.details["etag"]} == now

    @needs(Trait.SHELL)
    async def test_a_command_that_reads_changes_nothing(self, lab: Lab):
        where = await lab.folder()
        path = f"{where}/f"
        etag = (await lab.files.write(lab.container, path, b"x")).info.etag
        await lab.said(f"cat {path} && ls -l {path} && ln -s f {where}/link && touch {where}/other")
        assert await etags(lab, path) == {etag}

    @needs(Trait.SHELL)
    async def test_changes_in_quick_succession_from_inside_are_all_seen(self, lab: Lab):
        where = await lab.folder()
        path = f"{where}/f"
        for _ in range(5):
            etag = (await lab.files.write(lab.container, path, b"mine")).info.etag
            await lab.said(f"printf them > {path}")
            with pytest.raises(FileConflict):
                await lab.files.write(lab.container, path, b"mine", if_match=etag)

    async def test_of_a_hundred_conditional_writers_one_wins_and_the_others_learn_its_etag(self, lab: Lab):
        path = f"{await lab.folder()}/f"
        etag = (await lab.files.write(lab.container, path, b"old")).info.etag
        results = await asyncio.gather(
            *(lab.files.write(lab.container, path, b"%d" % i, if_match=etag) for i in range(WRITERS)),
            return_exceptions=True,
        )
        won = [result for result in results if isinstance(result, FileWritten)]
        assert len(won) == 1
        conflicts = [result for result in results if isinstance(result, FileConflict)]
        assert len(conflicts) == WRITERS - 1
        assert all(error.details["etag"] == won[0].info.etag for error in conflicts)
        assert all(error.details["if_match"] == etag for error in conflicts)

    async def test_of_a_hundred_writers_of_a_new_file_one_wins(self, lab: Lab):
        path = f"{await lab.folder()}/f"
        results = await asyncio.gather(
            *(lab.files.write(lab.container, path, b"%d" % i, if_none_match=True) for i in range(WRITERS)),
            return_exceptions=True,
        )
        assert sum(isinstance(result, FileWritten) for result in results) == 1
        assert sum(isinstance(result, FileConflict) for result in results) == WRITERS - 1

    async def test_a_chain_of_conditional_writers_loses_no_step(self, lab: Lab):
        path = f"{await lab.folder()}/f"
        await lab.files.write(lab.container, path, b"0")

        async def add(times: int) -> None:
            while times:
                try:
                    now = await lab.files.read(lab.container, path)
                    await lab.files.write(
                        lab.container, path, b"%d" % (int(now.data) + 1), if_match=now.info.etag
                    )
                except FileConflict:
                    continue
                times -= 1

        await asyncio.gather(*(add(10) for _ in range(8)))
        assert (await lab.files.read(lab.container, path)).data == b"80"

    async def test_a_condition_that_fails_changes_nothing(self, lab: Lab):
        where = await lab.folder()
        old = (await lab.files.write(lab.container, f"{where}/f", b"1")).info
        new = (await lab.files.write(lab.container, f"{where}/f", b"2")).info
        for call in (
            lab.files.write(lab.container, f"{where}/f", b"3", if_match=old.etag, mode=0o600),
            lab.files.write(lab.container, f"{where}/f", b"3", if_none_match=True),
            lab.files.write(lab.container, f"{where}/a/b", b"3", if_match=old.etag, parents=True),
            lab.files.delete(lab.container, f"{where}/f", if_match=old.etag),
        ):
            with pytest.raises(FileConflict):
                await call
        assert (await lab.files.list(lab.container, where)).entries == (new,)
        assert (await lab.files.read(lab.container, f"{where}/f")).data == b"2"

    async def test_conditions_that_hold_are_carried_out(self, lab: Lab):
        path = f"{await lab.folder()}/f"
        first = (await lab.files.write(lab.container, path, b"1", if_none_match=True)).info.etag
        second = (await lab.files.write(lab.container, path, b"2", if_match=first)).info.etag
        await lab.files.delete(lab.container, path, if_match=second)
        with pytest.raises(FileMissing):
            await lab.files.delete(lab.container, path, if_match=second)

    @pytest.mark.parametrize("etag", ["", "x" * 65, "a\n", "\u00e4"])
    async def test_what_is_no_etag_is_refused(self, lab: Lab, etag: str):
        path = f"{await lab.folder()}/f"
        with pytest.raises(ValidationFailed):
            await lab.files.write(lab.container, path, b"", if_match=etag)
        with pytest.raises(ValidationFailed):
            await lab.files.delete(lab.container, path, if_match=etag)
