"""The kit bound to a host on fakes, as an author would."""

from __future__ import annotations

from devbench_core.testing.kit import FilesContract
from harness.fake_host import FakeHost


class TestFiles(FakeHost, FilesContract):
    """Files on a host of fakes."""
