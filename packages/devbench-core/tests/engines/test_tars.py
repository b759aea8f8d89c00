"""Archives for engines: readable, and over when they say so."""

from __future__ import annotations

import io
import tarfile

import pytest

from devbench_core.engines import tars

END = bytes(2 * tarfile.BLOCKSIZE)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 9_000, 214_896])
def test_a_program_comes_back_and_nothing_follows_the_end_of_its_archive(size: int):
    data = bytes(range(1, 256)) * (size // 255 + 1)
    tar = tars.program("tool", data[:size], 0o555)
    assert tars.only_file(tar) == (data[:size], 0o555)
    assert len(tar) == 512 + -(-size // 512) * 512 + len(END)
    assert tar.endswith(END)


def test_folders_are_their_users_and_nothing_follows_the_end_of_their_archive():
    tar = tars.folders(["a", "a/b"], 7, 8)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        found = [(each.name, each.isdir(), each.uid, each.gid, each.mode) for each in archive]
    assert found == [("a", True, 7, 8, 0o755), ("a/b", True, 7, 8, 0o755)]
    assert len(tar) == 2 * 512 + len(END)
