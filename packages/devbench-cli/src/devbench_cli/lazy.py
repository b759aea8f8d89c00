"""The list of commands, each imported only when it is named or when all are listed."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from inspect import cleandoc

import attrs
import click

from devbench_cli.options import parameters


@attrs.frozen
class Entry:
    """Where a command is.

    Attributes:
        module: Its module under `devbench_cli.commands`, whose ``app`` is the command or the group.
        remote: Whether it can also drive a remote host.
        common: Whether it takes the common options.
    """

    module: str
    remote: bool = False
    common: bool = True


ENTRIES = {
    "demo": Entry("demo", remote=True),
    "doctor": Entry("doctor"),
    "plugins": Entry("plugins"),
    "plugin": Entry("plugin"),
    "config": Entry("config"),
    "completion": Entry("completion", common=False),
    "db": Entry("db"),
    "serve": Entry("serve", common=False),
    "spawn": Entry("spawn", remote=True),
    "ps": Entry("ps", remote=True),
    "inspect": Entry("inspect", remote=True),
    "exec": Entry("exec", remote=True),
    "shell": Entry("shell", remote=True),
    "attach": Entry("attach", remote=True),
    "shells": Entry("shells", remote=True),
    "execs": Entry("execs", remote=True),
    "logs": Entry("logs", remote=True),
    "cp": Entry("cp", remote=True),
    "import": Entry("import_", remote=True),
    "export": Entry("export", remote=True),
    "cat": Entry("cat", remote=True),
    "ls": Entry("ls", remote=True),
    "write": Entry("write", remote=True),
    "edit": Entry("edit", remote=True),
    "mv": Entry("mv", remote=True),
    "chmod": Entry("chmod", remote=True),
    "find": Entry("find", remote=True),
    "grep": Entry("grep", remote=True),
    "rm": Entry("rm", remote=True),
    "watch": Entry("watch", remote=True),
    "kill": Entry("kill", remote=True),
    "images": Entry("images", remote=True),
    "gc": Entry("gc"),
    "pools": Entry("pools"),
}
"""Every command, in the order of `devbench --help`."""


class LazyGroup(click.Group):
    """Finds commands by name in `ENTRIES`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `ENTRIES`."""
        return list(ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, None when there is none of this name."""
        entry = ENTRIES.get(cmd_name)
        return None if entry is None else load(cmd_name, entry)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name; a name that is none is answered with those that are like it."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=ENTRIES, ctx=ctx) from None


@cache  # a module has its command once, and it is given the common options once
def load(name: str, entry: Entry) -> click.Command:
    """Return the command of a module, with the common options."""
    command: click.Command = import_module(f"devbench_cli.commands.{entry.module}").app
    command.name = name
    keep_examples(command)
    if entry.common:
        _attach(command, remote=entry.remote)
    return command


def keep_examples(command: click.Command) -> None:
    """Keep indented lines of help texts as they are written, and first sentences whole in lists."""
    paragraphs = cleandoc(command.help or "").split("\n\n")
    command.help = "\n\n".join(f"\b\n{text}" if "\n  " in text else text for text in paragraphs)
    command.short_help = " ".join(paragraphs[0].split())
    for child in children_of(command).values():
        keep_examples(child)


def children_of(command: click.Command) -> dict[str, click.Command]:
    """Return the commands of a group by name, of a command none."""
    return dict(command.commands) if isinstance(command, click.Group) else {}


def _attach(command: click.Command, *, remote: bool) -> None:
    command.params.extend(parameters(remote=remote))
    for child in children_of(command).values():
        _attach(child, remote=remote)
