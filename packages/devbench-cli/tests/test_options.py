"""The options of every command count wherever they were given."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from devbench_cli.lazy import ENTRIES, load
from devbench_cli.options import Options, options_of, parameters
from devbench_cli.program import run_program

CONFIGURATION = 78


@pytest.fixture
def seen() -> list[Options]:
    return []


@pytest.fixture
def program(seen: list[Options]) -> click.Group:
    """A program with a command; both have the common options."""

    def command(ctx: click.Context) -> None:
        seen.append(options_of(ctx))

    whole = click.Group("devbench", params=parameters(remote=True))
    callback = click.pass_context(command)
    whole.add_command(click.Command("ps", callback=callback, params=parameters(remote=True)))
    return whole


def given(program: click.Group, seen: list[Options], *arguments: str) -> Options:
    program.main(list(arguments), standalone_mode=False, obj=Options())
    return seen[-1]


def test_what_was_given_to_the_program_is_not_undone_by_defaults_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    missing = tmp_path / "missing.toml"
    assert run_program(["--config", str(missing), "ps", "--json"]) == CONFIGURATION
    assert str(missing) in capsys.readouterr().err


def test_what_was_given_to_the_command_wins(program: click.Group, seen: list[Options]):
    found = given(program, seen, "--url", "http://a", "--retries", "3", "ps", "--url", "http://b", "-vv")
    assert (found.url, found.retries, found.verbose) == ("http://b", 3, 2)


def test_a_number_of_nothing_is_a_number(program: click.Group, seen: list[Options]):
    assert given(program, seen, "--retries", "0", "ps").retries == 0


def test_nothing_is_nothing(program: click.Group, seen: list[Options]):
    assert given(program, seen, "ps") == Options()


def test_an_empty_text_is_as_none(program: click.Group, seen: list[Options]):
    assert given(program, seen, "ps", "--url", "").url is None


def test_a_path_is_a_path(program: click.Group, seen: list[Options]):
    assert given(program, seen, "ps", "--config", "a.toml").config == Path("a.toml")


@pytest.mark.parametrize("arguments", [["--url", "http://typed", "ps"], ["ps", "--url", "http://typed"]])
def test_what_was_typed_wins_over_the_variable_wherever_it_stands(
    program: click.Group, seen: list[Options], arguments: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DEVBENCH_URL", "http://variable")
    assert given(program, seen, "ps").url == "http://variable"
    assert given(program, seen, *arguments).url == "http://typed"


@pytest.mark.parametrize("name", ENTRIES)
def test_a_command_that_is_asked_for_again_has_its_options_once(name: str):
    command = load(name, ENTRIES[name])
    assert load(name, ENTRIES[name]) is command
    names = [parameter.name for parameter in command.params]
    assert sorted(names) == sorted(set(names))
