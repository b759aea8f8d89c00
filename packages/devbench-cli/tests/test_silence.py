"""How long a host may say nothing."""

from __future__ import annotations

import pytest

from devbench_cli.backends.silence import LONGEST_S, Silence
from devbench_core.model.keepalive import KEEP_ALIVE_HEADER


@pytest.mark.parametrize(
    ("told", "limit_s"),
    [("0.5", 30), ("10", 30), ("40", 120), ("1e9", LONGEST_S), ("inf", LONGEST_S)],
)
def test_three_signs_of_life_may_be_missing_and_never_less_than_was_asked_for(told: str, limit_s: float):
    silence = Silence(30)
    silence.heard(200, {KEEP_ALIVE_HEADER: told})
    assert silence.limit_s == limit_s


@pytest.mark.parametrize("headers", [{}, {KEEP_ALIVE_HEADER: "often"}, {KEEP_ALIVE_HEADER: "nan"}])
def test_a_host_that_promises_no_signs_of_life_may_work_in_silence(headers: dict[str, str]):
    silence = Silence(30)
    silence.heard(200, headers)
    assert silence.limit_s == LONGEST_S


def test_an_error_of_something_between_says_nothing_of_the_host():
    silence = Silence(30)
    silence.heard(502, {})
    assert silence.limit_s == 30


def test_a_large_request_has_the_time_that_a_slow_connection_takes_for_it():
    assert Silence(30).allowed_s(2 * 1024 * 1024) == 30 + 128
