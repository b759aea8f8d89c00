"""Log events: fields, no secrets, and nothing on stdout."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Generator

import pytest

from devbench_core.logs import configure, get_logger


@pytest.fixture(autouse=True)
def _restored() -> Generator[None, None, None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    configure()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_event_is_one_line_with_its_fields():
    stream = io.StringIO()
    configure("info", stream=stream)
    get_logger("devbench_core.test").info("exec.ended", container="c_1", exit_code=3)
    assert "exec.ended container='c_1' exit_code=3" in stream.getvalue()


def test_secrets_are_hidden_by_the_name_of_their_field():
    stream = io.StringIO()
    configure("info", stream=stream, as_json=True)
    get_logger("devbench_core.test").info("x", agent_token="t0p", password="hunter2", path="/a")
    event = json.loads(stream.getvalue())
    assert event == {"event": "x", "agent_token": "***", "password": "***", "path": "/a"}


def test_a_level_that_is_off_costs_nothing_and_says_nothing():
    stream = io.StringIO()
    configure("warning", stream=stream)
    get_logger("devbench_core.test").info("x")
    assert stream.getvalue() == ""


def test_nothing_is_written_to_stdout_without_configuration(capfd: pytest.CaptureFixture[str]):
    get_logger("devbench_core.test").warning("x", a=1)
    assert capfd.readouterr().out == ""
