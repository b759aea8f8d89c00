"""Turns frozen values into JSON objects and back, for the store."""

from devbench_core.records.convert import from_json, to_json

__all__ = ["from_json", "to_json"]
