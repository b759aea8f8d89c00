"""`devbench db` itself."""

from __future__ import annotations

import click

from devbench_cli.groups import OrderedGroup


@click.group(cls=OrderedGroup)
def app() -> None:
    """Look after the configured state store: its version, damage, size, and moving it to another one.

    No engine is needed, no container is touched, and nothing is reconciled: this is no host. Which store it is says the
    configuration (`store`, and the store's own table); another one is named with --config, or with variables as
    DEVBENCH_PLUGIN__SQL__URL. What a store does not offer is refused by name.

    Examples:
      devbench db current
      devbench db export backup.dump.gz
      devbench db import --config postgresql.toml backup.dump.gz
    """
