from __future__ import annotations

from datetime import UTC, datetime

import pytest

from devbench_cli.following import exit_code_of_ending
from devbench_core.tools.views import ExecEndingView


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
