"""The copy of /etc: made for the first container, and earlier ones go when nobody can have them mounted."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from devbench_runtime_bubblewrap.folders import Folders
from devbench_runtime_bubblewrap.sandbox.kept_etc import KeptEtc


@pytest.fixture
def folders() -> Generator[Folders]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as base:
        made = Folders(base=Path(base))
        made.make()
        yield made


def test_nothing_is_copied_until_a_container_needs_it(folders: Folders):
    kept = KeptEtc(folders)
    kept.sweep()
    assert not any(folders.etc.iterdir())
    assert (kept.path() / "passwd").is_file()
    assert [*folders.etc.iterdir()] == [kept.path()]


def test_a_copy_that_another_host_swept_is_made_again(folders: Folders):
    kept = KeptEtc(folders)
    kept.path().rename(folders.trash / "swept")
    assert (kept.path() / "passwd").is_file()


def test_copies_of_an_earlier_etc_go_and_the_present_one_stays(folders: Folders):
    present = KeptEtc(folders).path()
    (folders.etc / "earlier").mkdir()
    KeptEtc(folders).sweep()
    assert [*folders.etc.iterdir()] == [present]
