"""Files keep the contract on every runtime and image."""

from __future__ import annotations

import pytest

from contract.hosts import FILES_KINDS, OnOurRuntimes
from devbench_core.testing.kit import FilesContract


class TestFiles(OnOurRuntimes, FilesContract):
    """In one container of each."""

    @pytest.fixture(scope="class", params=FILES_KINDS)
    @classmethod
    def kind(cls, request: pytest.FixtureRequest) -> str:
        return request.param
