"""Holds an installed plugin to the contracts, outside of any repository: ``devbench plugin check NAME``."""

from devbench_core.testing.check.results import End, Outcome, Result, read_line

__all__ = ["End", "Outcome", "Result", "read_line"]
