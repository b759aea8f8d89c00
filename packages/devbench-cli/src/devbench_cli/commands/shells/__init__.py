"""`devbench shells`."""

from devbench_cli.commands.shells.group import app
from devbench_cli.commands.shells.keeping import close, list_, open_
from devbench_cli.commands.shells.running import run
from devbench_cli.commands.shells.talking import cancel, read, write

__all__ = ["app"]

for name, command in {
    "open": open_,
    "run": run,
    "write": write,
    "read": read,
    "cancel": cancel,
    "list": list_,
    "close": close,
}.items():  # in the order of `devbench shells --help`
    app.command(name)(command)
