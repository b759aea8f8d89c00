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


@pytest.mark.parametrize("as_json", [False, True])
def test_what_addresses_carry_is_hidden_in_lines_of_any_logger(as_json: bool):
    stream = io.StringIO()
    configure("debug", stream=stream, as_json=as_json)
    word = f"{'eyJhIjoi-_0' * 6}.{'mac_-' * 8}"
    address = f"https://bench/box/files/{word}/name%FF?key=s3same&more=t00"
    logging.getLogger("client").info('HTTP Request: PUT %s "HTTP/1.1 200 OK"', address)
    logging.getLogger("protocol").debug("message: %r", {"url": f"http://bench/files/{word}/f", "n": 1})
    get_logger("devbench_core.test").info("x", url=address, path="/workspace/files/short.txt")
    logging.getLogger("client").error("failed", exc_info=ValueError(address))
    found = stream.getvalue()
    for secret in (word, word[:20], word[-20:], "s3same", "t00"):
        assert secret not in found
    assert 'PUT https://bench/box/files/***/name%FF?*** "HTTP/1.1 200 OK"' in found
    assert "/workspace/files/short.txt" in found


def test_a_level_that_is_off_costs_nothing_and_says_nothing():
    stream = io.StringIO()
    configure("warning", stream=stream)
    get_logger("devbench_core.test").info("x")
    assert stream.getvalue() == ""


def test_nothing_is_written_to_stdout_without_configuration(capfd: pytest.CaptureFixture[str]):
    get_logger("devbench_core.test").warning("x", a=1)
    assert capfd.readouterr().out == ""
