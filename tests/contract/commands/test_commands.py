"""Commands keep the contract on every runtime."""

from __future__ import annotations

import pytest

from contract.hosts import HOST_KINDS, OnOurRuntimes
from devbench_core.testing.kit import CommandsContract


class TestCommands(OnOurRuntimes, CommandsContract):
    """In one container of each."""

    @pytest.fixture(scope="class", params=HOST_KINDS)
    @classmethod
    def kind(cls, request: pytest.FixtureRequest) -> str:
        return request.param
