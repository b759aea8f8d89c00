"""The kit bound to a host on fakes, as an author would."""

from __future__ import annotations

from devbench_core.testing.kit import CommandsContract
from harness.fake_host import FakeHost


class TestCommands(FakeHost, CommandsContract):
    """Commands on a host of fakes."""
