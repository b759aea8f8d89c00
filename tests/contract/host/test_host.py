"""The lives of containers and hosts keep the contract on every runtime."""

from __future__ import annotations

import pytest

from contract.hosts import HOST_KINDS, OnOurRuntimes
from devbench_core.testing.kit.host_lives import HostLivesContract


class TestHost(OnOurRuntimes, HostLivesContract):
    """Commands and files, which make it a whole host, are tested beside this."""

    @pytest.fixture(scope="class", params=HOST_KINDS)
    @classmethod
    def kind(cls, request: pytest.FixtureRequest) -> str:
        return request.param
