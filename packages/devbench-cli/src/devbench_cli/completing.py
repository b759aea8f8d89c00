"""Completions on Tab: shells run a script of ours, which asks the program."""

from __future__ import annotations

import click

PROGRAM = "devbench"
VARIABLE = "_DEVBENCH_COMPLETE"
"""Set by the scripts, to what a shell wants to know."""
SHELLS = ("bash", "zsh", "fish")


def script(command: click.Command, shell: str) -> int:
    """Print what a shell runs so that it asks the program, and return the exit code."""
    return answer(command, f"{shell}_source")


def answer(command: click.Command, question: str) -> int:
    """Print what a shell wants to know, and return the exit code: 1 for what is not understood."""
    from click.shell_completion import shell_complete

    return shell_complete(command, {}, PROGRAM, VARIABLE, question)
