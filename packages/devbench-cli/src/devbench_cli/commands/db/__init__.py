"""`devbench db`."""

from devbench_cli.commands.db.group import app
from devbench_cli.commands.db.looking import check, current
from devbench_cli.commands.db.mending import upgrade, vacuum
from devbench_cli.commands.db.moving import export, import_

__all__ = ["app"]

for name, command in {
    "current": current,
    "upgrade": upgrade,
    "check": check,
    "vacuum": vacuum,
    "export": export,
    "import": import_,
}.items():  # in the order of `devbench db --help`
    app.command(name)(command)
