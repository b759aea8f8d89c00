from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from devbench_cli.lazy import ENTRIES, load

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]
COMMANDS = {name: load(name, entry) for name, entry in ENTRIES.items()}
LEAVES: dict[str, Any] = {
    f"{name} {child}".strip(): command
    for name, whole in COMMANDS.items()
    for child, command in (getattr(whole, "commands", {}) or {"": whole}).items()
}


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_every_help_text_teaches_with_an_example(name: str):
    assert f"devbench {name.split(maxsplit=1)[0]}" in (LEAVES[name].help or "").split("Examples:")[-1]


@pytest.mark.parametrize("name", sorted(set(LEAVES) - {"serve", "completion"}))
def test_every_command_prints_json_on_demand(name: str):
    assert any("--json" in parameter.opts for parameter in LEAVES[name].params)


def test_the_list_of_commands_has_whole_sentences(devbench: Devbench):
    done = devbench("--help")
    assert done.returncode == 0
    assert "..." not in done.stdout.split("Commands:")[1]


def test_commands_of_a_command_are_listed_in_the_order_of_their_use(devbench: Devbench):
    lines = devbench("shells", "--help").stdout.split("Commands:\n")[1].splitlines()
    names = [line.split()[0] for line in lines if line[2] != " "]
    assert names == ["open", "run", "write", "read", "cancel", "list", "close"]


def test_defaults_and_variables_are_told(devbench: Devbench):
    told = " ".join(devbench("exec", "--help").stdout.split())
    assert "[env var: DEVBENCH_DETACH_KEYS; default: ctrl-p,ctrl-q]" in told
    assert "[default: 0; 0<=x<=19]" in told


def test_an_unknown_command_is_wrong_usage(devbench: Devbench):
    done = devbench("spwan")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'spwan'. Did you mean 'spawn'?" in done.stderr


def test_no_arguments_show_the_help(devbench: Devbench):
    assert "Commands:" in (done := devbench()).stdout + done.stderr


def test_common_options_may_stand_on_both_sides_of_the_command(devbench: Devbench):
    before, after = devbench("--json", "plugins"), devbench("plugins", "--json")
    assert before.stdout == after.stdout
    assert before.stdout.startswith("{")


def test_an_option_after_the_container_is_refused_instead_of_being_run(devbench: Devbench):
    done = devbench("exec", "web", "--timeout", "5s", "true")
    assert done.returncode == 2
    assert "options stand before CONTAINER" in done.stderr
