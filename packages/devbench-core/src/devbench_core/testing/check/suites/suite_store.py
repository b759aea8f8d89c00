"""A store of a plugin keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from devbench_core.testing.check.subject import Subject
from devbench_core.testing.kit import StoreContract, open_provider
from devbench_core.testing.kit.opening import OpenStore


class TestStore(StoreContract):
    """Opened anew in a folder of its own for each test."""

    @pytest.fixture
    def open_store(self, subject: Subject, tmp_path: Path) -> OpenStore:
        """Open the store that is checked."""
        return lambda: open_provider(subject.provider, tmp_path, settings=subject.settings)
