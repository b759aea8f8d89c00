"""Options that were not given are not looked at."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import typer
from typer.core import TyperOption

from devbench_cli.defaults import Option, keep_defaults
from devbench_cli.lazy import ENTRIES, load
from devbench_cli.program import run_program

WRONG_USAGE = 2
CONFIGURATION = 78


def options(command: Any) -> list[Any]:
    beneath = [option for child in getattr(command, "commands", {}).values() for option in options(child)]
    return [each for each in command.params if isinstance(each, TyperOption)] + beneath


def show(
    *,
    must: Annotated[int, typer.Option()],
    many: Annotated[list[int] | None, typer.Option()] = None,
    few: Annotated[int, typer.Option(min=1, max=9)] = 3,
    name: str = "",
    flag: bool = False,
    none: int | None = None,
) -> list[Any]:
    """Return what it got."""
    return [must, many, few, name, flag, none]


@pytest.fixture
def command() -> Any:
    """A command with an option of each kind."""
    app = typer.Typer(add_completion=False)
    app.command()(show)
    made = typer.main.get_command(app)
    keep_defaults(made)
    return made


def given(command: Any, *arguments: str) -> Any:
    return command.main(list(arguments), standalone_mode=False)


def refused(command: Any, *arguments: str) -> Any:
    with pytest.raises(SystemExit) as end:
        command.main(list(arguments))
    return end.value.code


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
    command: Any, arguments: list[str], expected: list[Any]
):
    assert given(command, "--must", "1", *arguments) == expected


@pytest.mark.parametrize("arguments", [["--few", "10"], ["--few", "x"], ["--many", "x"], ["--none", "x"]])
def test_what_is_given_is_looked_at(command: Any, arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert refused(command, "--must", "1", *arguments) == WRONG_USAGE
    assert arguments[0] in capsys.readouterr().err


def test_what_must_be_given_is_missed(command: Any, capsys: pytest.CaptureFixture[str]):
    assert refused(command) == WRONG_USAGE
    assert "--must" in capsys.readouterr().err


def test_typer_makes_nothing_of_options_that_were_not_given(command: Any, monkeypatch: pytest.MonkeyPatch):
    made: list[str] = []
    real = TyperOption.get_runtime_param

    def get_runtime_param(option: TyperOption) -> Any:
        made.append(option.name)
        return real(option)

    monkeypatch.setattr(TyperOption, "get_runtime_param", get_runtime_param)
    given(command, "--must", "1", "--many", "2")
    assert {*made} - {"help"} == {"must", "many"}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_option_of_every_command_is_such_a_one(name: str):
    found = options(load(name, ENTRIES[name]))
    assert [option.name for option in found if type(option) is not Option] == []


def test_an_option_of_the_program_is_kept_where_it_was_given(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
):
    missing = tmp_path / "missing.toml"
    assert run_program(["--config", str(missing), "ps", "--json"]) == CONFIGURATION
    assert str(missing) in capsys.readouterr().err
