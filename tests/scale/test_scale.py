"""Many containers at once on one host: none fails, and nothing is left."""

from __future__ import annotations

from scale.measuring import MEMORY_MIB, measure

COUNT = 30


def test_thirty_containers_at_once_work_and_leave_nothing():
    row = measure(COUNT)
    assert row["left"] == 0
    assert row["host_bytes"] < MEMORY_MIB * 2**20
