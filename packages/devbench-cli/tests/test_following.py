from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from devbench_cli.following import Interruption, exit_code_of_ending, unless_interrupted
from devbench_core.tools.exec_views import ExecEndingView


@pytest.mark.parametrize(
    ("reason", "more", "code"),
    [
        ("exited", {"exit_code": 0}, 0),
        ("exited", {"exit_code": 42}, 42),
        ("signaled", {"signal": 15}, 143),
        ("timed_out", {"signal": 9}, 124),
        ("cancelled", {"signal": 15}, 130),
        ("failed_to_start", {"failure": "not_found"}, 127),
        ("failed_to_start", {"failure": "not_executable"}, 126),
        ("failed_to_start", {"failure": "bad_directory"}, 125),
        ("container_exited", {}, 125),
        ("lost", {}, 125),
    ],
)
def test_every_ending_has_the_exit_code_that_a_shell_would_give(
    reason: str, more: dict[str, object], code: int
):
    ending = ExecEndingView.model_validate({"reason": reason, "at": datetime.now(UTC), **more})
    assert exit_code_of_ending(ending) == code


def test_a_cancel_by_a_signal_exits_as_that_signal_would():
    ending = ExecEndingView(reason="cancelled", at=datetime.now(UTC))
    assert exit_code_of_ending(ending, interrupted_by=15) == 143


async def test_work_that_is_interrupted_before_it_is_done_is_given_up():
    interruption, ended = Interruption(), asyncio.Event()

    async def work() -> int:
        try:
            await asyncio.sleep(300)
        finally:
            ended.set()
        return 1

    doing = asyncio.create_task(unless_interrupted(work(), interruption))
    await asyncio.sleep(0)
    interruption.note(2)
    assert await doing is None
    assert ended.is_set()


async def test_work_that_is_done_first_gives_what_it_gave():
    async def work() -> int:
        return 7

    assert await unless_interrupted(work(), Interruption()) == 7
