"""What a person at a terminal sees and presses: a real pseudo-terminal, a real Ctrl-C."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from harness.processes import running
from harness.terminal import DEADLINE_S, terminal

CTRL_C = b"\x03"


def test_ctrl_c_ends_the_command_with_its_background_children(each_cli: Any):
    unique = f"9{os.getpid()}"
    container = each_cli.ok("spawn").strip()
    script = f"trap '' INT; sleep {unique} & echo ready; sleep {unique}"
    with terminal(each_cli, "exec", container, "sh", "-c", script) as screen:
        screen.read_until(lambda seen: b"ready" in seen)
        assert running(unique)
        screen.press(CTRL_C)
        screen.rest()
        assert screen.process.wait(DEADLINE_S) == 130
    assert not running(unique)


def test_a_terminal_as_stdin_is_not_read_and_output_is_live(cli: Any, web: str):
    with terminal(cli, "exec", web, "sh", "-c", "echo first; cat; echo second") as screen:
        seen = screen.rest()
        assert screen.process.wait(DEADLINE_S) == 0
    assert seen == b"first\r\nsecond\r\n"


def test_a_transfer_draws_a_bar_on_a_terminal_and_nothing_elsewhere(cli: Any, web: str, tmp_path: Path):
    (tmp_path / "big.bin").write_bytes(os.urandom(2_000_000))
    copy = ("cp", str(tmp_path / "big.bin"), f"{web}:big.bin")
    with terminal(cli, *copy) as screen:
        seen = screen.rest()
        assert screen.process.wait(DEADLINE_S) == 0
    assert "━".encode() in seen
    assert b"2.0/2.0 MB" in seen
    assert cli.run(*copy).stderr == b""


def test_no_color_is_honoured(cli: Any):
    with terminal(cli, "inspect", "nobody") as screen:
        assert b"\x1b[1;31merror[container_not_found]" in screen.rest()
    with terminal(cli, "inspect", "nobody", NO_COLOR="1") as screen:
        assert b"\x1b[" not in screen.rest()
