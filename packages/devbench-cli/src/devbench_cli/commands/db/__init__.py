"""`devbench db`."""

from devbench_cli.commands.db.group import app
from devbench_cli.commands.db.looking import check, current
from devbench_cli.commands.db.mending import upgrade, vacuum
from devbench_cli.commands.db.moving import export, import_

__all__ = ["app"]

for command in (current, upgrade, check, vacuum, export, import_):  # in the order of `devbench db --help`
    app.add_command(command)
