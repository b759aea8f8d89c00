"""A lock of a plugin keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from devbench_core.contracts.lock import Lock
from devbench_core.testing.check.subject import Subject
from devbench_core.testing.kit import LockContract, open_provider


class TestLock(LockContract):
    """Opened anew for each test."""

    @pytest_asyncio.fixture
    async def lock(self, subject: Subject, tmp_path: Path) -> AsyncGenerator[Lock]:
        """Open the lock that is checked."""
        async with open_provider(subject.provider, tmp_path, settings=subject.settings) as opened:
            yield opened
