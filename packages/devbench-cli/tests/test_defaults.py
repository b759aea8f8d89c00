"""Options that were not given are not looked at."""

from __future__ import annotations

from typing import Any

import pytest
import typer
from typer.core import TyperOption

from devbench_cli.defaults import keep_defaults
from devbench_cli.lazy import ENTRIES, load
from devbench_cli.program import run_program

WRONG_USAGE = 2
CONFIGURATION = 78


def options(command: Any) -> list[Any]:
    beneath = [option for child in getattr(command, "commands", {}).values() for option in options(child)]
    return [each for each in command.params if isinstance(each, TyperOption)] + beneath


def given(app: typer.Typer, *arguments: str) -> Any:
    command = typer.main.get_command(app)
    keep_defaults(command)
    return command.main(list(arguments), standalone_mode=False)


def refused(app: typer.Typer, *arguments: str) -> Any:
    command = typer.main.get_command(app)
    keep_defaults(command)
    with pytest.raises(SystemExit) as end:
        command.main(list(arguments))
    return end.value.code


@pytest.fixture
def app() -> typer.Typer:
    """A program with an option of each kind, which returns what it got."""
    made = typer.Typer(add_completion=False)

    @made.command()
    def show(  # pyright: ignore[reportUnusedFunction]
        *,
        must: int = typer.Option(...),
        many: list[int] | None = typer.Option(None),  # noqa: B008 - it is typer's way
        few: int = typer.Option(3, min=1, max=9),
        name: str = "",
        flag: bool = False,
        none: int | None = None,
    ) -> list[Any]:
        return [must, many, few, name, flag, none]

    return made


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], [1, None, 3, "", False, None]),
        (
            ["--many", "2", "--many", "3", "--few", "9", "--name", "n", "--flag", "--none", "0"],
            [1, [2, 3], 9, "n", True, 0],
        ),
        (["--name", ""], [1, None, 3, "", False, None]),
    ],
)
def test_a_command_gets_what_was_given_and_defaults_for_the_rest(
    app: typer.Typer, arguments: list[str], expected: list[Any]
):
    assert given(app, "--must", "1", *arguments) == expected


@pytest.mark.parametrize("arguments", [["--few", "10"], ["--few", "x"], ["--many", "x"], ["--none", "x"]])
def test_what_is_given_is_looked_at(
    app: typer.Typer, arguments: list[str], capsys: pytest.CaptureFixture[str]
):
    assert refused(app, "--must", "1", *arguments) == WRONG_USAGE
    assert arguments[0] in capsys.readouterr().err


def test_what_must_be_given_is_missed(app: typer.Typer, capsys: pytest.CaptureFixture[str]):
    assert refused(app) == WRONG_USAGE
    assert "--must" in capsys.readouterr().err


@pytest.mark.parametrize("name", ENTRIES)
def test_typer_makes_nothing_of_options_that_were_not_given(name: str):
    typer_takes = [
        option.name for option in options(load(name, ENTRIES[name])) if type(option) is TyperOption
    ]
    assert typer_takes == []


def test_an_option_of_the_program_is_kept_where_it_was_given(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
):
    missing = tmp_path / "missing.toml"
    assert run_program(["--config", str(missing), "ps", "--json"]) == CONFIGURATION
    assert str(missing) in capsys.readouterr().err
