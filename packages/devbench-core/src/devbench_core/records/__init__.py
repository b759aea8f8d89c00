"""Turns frozen values into JSON objects and back, for the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devbench_core.records.convert import from_json, to_json
else:
    # what converts takes a while to import, and who finds no record needs none of it

    def from_json(*arguments: Any) -> Any:
        """Return a value from its JSON object."""
        from devbench_core.records.convert import from_json as convert

        return convert(*arguments)

    def to_json(*arguments: Any) -> Any:
        """Return the JSON object of a value."""
        from devbench_core.records.convert import to_json as convert

        return convert(*arguments)


__all__ = ["from_json", "to_json"]
