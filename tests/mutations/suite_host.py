"""The kit bound to a host on fakes, as an author would."""

from __future__ import annotations

from devbench_core.testing.kit.host_lives import HostLivesContract
from harness.fake_host import FakeHost


class TestHost(FakeHost, HostLivesContract):
    """The lives of containers and hosts, on fakes."""
