"""Completions on Tab: shells run a script of ours, which asks the program."""

from __future__ import annotations

import click

PROGRAM = "devbench"
VARIABLE = "_DEVBENCH_COMPLETE"
"""Set by the scripts, to what a shell wants to know."""
SHELLS = ("bash", "zsh", "fish", "powershell")


def script(command: click.Command, shell: str) -> int:
    """Print what a shell runs so that it asks the program, and return the exit code."""
    return answer(command, f"{shell}_source")


def answer(command: click.Command, question: str) -> int:
    """Print what a shell wants to know, and return the exit code: 1 for what is not understood."""
    from click.shell_completion import BashComplete, add_completion_class, shell_complete

    class Bash(BashComplete):
        # where there is nothing to say, as after `<`, files are meant
        source_template = BashComplete.source_template.replace("-o nosort", "-o nosort -o default")

    add_completion_class(Bash)
    return shell_complete(command, {}, PROGRAM, VARIABLE, question)
