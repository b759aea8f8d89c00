"""Commands that hold others."""

from __future__ import annotations

import click


class OrderedGroup(click.Group):
    """Lists its commands in the order in which they were added: as they are used, where click sorts them by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in that order."""
        return list(self.commands)
