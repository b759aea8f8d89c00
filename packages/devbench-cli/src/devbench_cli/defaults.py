"""Options that were not given cost nothing.

For each option, given or not, typer makes a validator of its type, which takes half a millisecond; most commands have
a dozen options and are given one.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperOption


class Option(TyperOption):
    """An option whose default is taken as it stands: the type checker has seen it, unlike what people type."""

    def process_value(self, ctx: Any, value: Any) -> Any:
        """Return the value of the option, after its callback."""
        if self.required or not (value is None or self._is_plain_default(value)):
            return super().process_value(ctx, value)
        if value is None and self.multiple:
            value = ()
        return self.callback(ctx, self, value) if self.callback else value

    def _is_plain_default(self, value: Any) -> bool:
        return value is self.default and isinstance(value, str | int)


def keep_defaults(command: Any) -> None:
    """Make the options of a command, and of those beneath it, such options."""
    for parameter in command.params:
        if type(parameter) is TyperOption:
            parameter.__class__ = Option  # typer makes them itself and takes no class of ours
    for child in getattr(command, "commands", {}).values():
        keep_defaults(child)
