"""The kit bound to a scanner for tests, as its author would."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from devbench_core.contracts.scanner import Finding
from devbench_core.errors import EngineFailed
from devbench_core.model.image import Image
from devbench_core.testing.check.subject import Subject
from devbench_core.testing.fake import FakeScanner
from devbench_core.testing.kit import ScannerContract, open_provider
from devbench_core.testing.kit.scanner import Failing

FLAW = Finding(id="CVE-1", severity="high", package="p")


class TestScanner(ScannerContract):
    """One of two images has a flaw."""

    @pytest_asyncio.fixture
    async def scanner(self, subject: Subject, tmp_path: Path) -> AsyncGenerator[FakeScanner]:
        async with open_provider(subject.provider, tmp_path) as opened:
            opened.finds("one", FLAW)
            yield opened

    @pytest.fixture
    def images(self) -> list[Image]:
        return [Image(name=name, id=f"sha256:{name}") for name in ("one", "two")]

    @pytest.fixture
    def failing(self, scanner: FakeScanner) -> Failing:
        return lambda: scanner.faults.failing("scan", EngineFailed("no database"))
