"""What bwrap answered is believed by the next start, until anything it depends on changes."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.errors import EngineFailed
from devbench_runtime_bubblewrap.opening import open_bubblewrap
from devbench_runtime_bubblewrap.remembered import FILE
from devbench_runtime_bubblewrap.settings import BubblewrapSettings


class Counted:
    """A bwrap that notes each question."""

    def __init__(self, folder: Path) -> None:
        self.path, self._asked = folder / "counted-bwrap", folder / "asked"
        self._asked.touch()
        self._asked.chmod(0o666)
        self.rewrite("exec bwrap")

    def rewrite(self, command: str) -> None:
        self.path.write_text(f'#!/bin/sh\necho "$1" >> {self._asked}\n{command} "$@"\n', encoding="utf-8")
        self.path.chmod(0o755)

    def questions(self) -> list[str]:
        said = self._asked.read_text(encoding="utf-8").split()
        self._asked.write_text("", encoding="utf-8")
        return sorted(said)


ALL = ["--help", "--unshare-all", "--version"]


@pytest.fixture
def counted(folder: Path) -> Counted:
    return Counted(folder)


@pytest.fixture
def with_counted(settings: BubblewrapSettings, counted: Counted) -> BubblewrapSettings:
    return settings.model_copy(update={"program": str(counted.path)})


async def opened(settings: BubblewrapSettings, context: OpenContext) -> tuple[str, frozenset[object]]:
    async with open_bubblewrap(settings, context) as runtime:
        return runtime.program.version_text, runtime.capabilities.enforces


async def test_the_next_start_asks_nothing_and_knows_the_same(
    with_counted: BubblewrapSettings, counted: Counted, context: OpenContext
):
    first = await opened(with_counted, context)
    assert counted.questions() == ALL
    assert await opened(with_counted, context) == first
    assert counted.questions() == []


async def test_a_program_that_was_replaced_is_asked(
    with_counted: BubblewrapSettings, counted: Counted, context: OpenContext
):
    await opened(with_counted, context)
    counted.questions()
    counted.rewrite("exit 1;")
    with pytest.raises(EngineFailed):
        await opened(with_counted, context)


async def test_what_another_user_was_told_counts_for_nobody_else(
    with_counted: BubblewrapSettings, counted: Counted, context: OpenContext
):
    await opened(with_counted, context)
    kept = context.cache_dir / FILE
    text = json.loads(kept.read_text(encoding="utf-8"))
    text["of"][7] += 1
    kept.write_text(json.dumps(text), encoding="utf-8")
    counted.questions()
    await opened(with_counted, context)
    assert counted.questions() == ALL


@pytest.mark.parametrize("age_s", [-5, 4000])
async def test_an_answer_that_is_old_or_from_the_future_is_not_believed(
    with_counted: BubblewrapSettings, counted: Counted, context: OpenContext, age_s: float
):
    await opened(with_counted, context)
    kept = context.cache_dir / FILE
    text = json.loads(kept.read_text(encoding="utf-8"))
    text["at"] -= age_s
    kept.write_text(json.dumps(text), encoding="utf-8")
    counted.questions()
    await opened(with_counted, context)
    assert counted.questions() == ALL


@pytest.mark.parametrize("text", ["", "[]", "{", '{"of": 1}', "\xff"])
async def test_a_damaged_file_is_asked_over(
    with_counted: BubblewrapSettings, counted: Counted, context: OpenContext, text: str
):
    context.cache_dir.mkdir()
    (context.cache_dir / FILE).write_bytes(text.encode("latin-1"))
    await opened(with_counted, context)
    assert counted.questions() == ALL


async def test_zero_asks_at_every_start(
    with_counted: BubblewrapSettings, counted: Counted, context: OpenContext
):
    always = with_counted.model_copy(update={"probe_kept_s": 0.0})
    await opened(always, context)
    counted.questions()
    await opened(always, context)
    assert counted.questions() == ALL


async def test_a_folder_that_takes_no_file_keeps_no_start_from_being_made(
    with_counted: BubblewrapSettings, counted: Counted, context: OpenContext, tmp_path: Path
):
    (tmp_path / "file").touch()
    nowhere = attrs.evolve(context, cache_dir=tmp_path / "file")
    await opened(with_counted, nowhere)
    await opened(with_counted, nowhere)
    assert counted.questions() == sorted([*ALL, *ALL])
