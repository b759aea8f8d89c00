"""`devbench shells`."""

from devbench_cli.commands.shells.group import app
from devbench_cli.commands.shells.keeping import close, list_, open_
from devbench_cli.commands.shells.running import run
from devbench_cli.commands.shells.talking import cancel, read, write

__all__ = ["app"]

for command in (open_, run, write, read, cancel, list_, close):  # in the order of `devbench shells --help`
    app.add_command(command)
