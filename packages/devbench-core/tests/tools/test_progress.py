"""The one number of a pull: it only grows, and its last report is true."""

from itertools import pairwise

import pytest

from devbench_core.model.image import PullProgress
from devbench_core.tools.progress import pull_progress

Report = tuple[float, float | None, str]
Step = tuple[str, str, int | None, int | None]
PULL: list[Step] = [
    ("Pulling from tiny", "", None, None),
    ("Downloading", "a", 10, 100),
    ("Downloading", "b", 5, 50),
    ("Downloading", "a", 100, 100),
    ("Download complete", "a", None, None),
    ("Extracting", "a", 40, 100),
    ("Downloading", "b", 50, 50),
    ("Extracting", "b", 50, 50),
    ("Status: Downloaded newer image", "", None, None),
]


async def reports_of(steps: list[Step]) -> list[Report]:
    reports: list[Report] = []

    async def sink(done: float, total: float | None, message: str) -> None:
        reports.append((done, total, message))

    follow = pull_progress(sink)
    for status, layer, done, total in steps:
        await follow(PullProgress(status=status, layer=layer, done_bytes=done, total_bytes=total))
    return reports


def shown(reports: list[Report]) -> list[tuple[int, int | None]]:
    return [(round(done), None if total is None else round(total)) for done, total, _ in reports]


async def test_each_report_is_larger_and_a_layer_is_counted_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("devbench_core.tools.progress.REPORT_EVERY_S", 0.0)
    reports = await reports_of(PULL)
    assert shown(reports) == [
        (0, None), (10, 100), (15, 150), (105, 150), (105, 150), (105, 150), (150, 150), (150, 150), (150, 150),
    ]  # fmt: skip
    assert all(before[0] < after[0] for before, after in pairwise(reports))
    assert all(total is None or done <= total for done, total, _ in reports)


async def test_a_pull_that_is_over_in_a_moment_still_ends_with_all_its_bytes():
    reports = await reports_of(PULL)
    assert shown(reports) == [(0, None), (105, 150), (150, 150), (150, 150)]
    assert reports[-1][2] == "Status: Downloaded newer image"


async def test_a_layer_of_unknown_size_is_not_reported_at_every_byte():
    steps: list[Step] = [("Downloading", "a", done, None) for done in range(1, 1000)]
    assert len(await reports_of(steps)) == 1
