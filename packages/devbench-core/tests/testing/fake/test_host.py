"""A host on fakes keeps the contract of hosts, but for what plain processes cannot: its suite is an author's, too."""

from __future__ import annotations

from devbench_core.testing.kit import HostContract
from harness.fake_host import FakeHost


class TestFakeHost(FakeHost, HostContract):
    """Commands, files and lives; the containers have this machine's root and its processes."""
