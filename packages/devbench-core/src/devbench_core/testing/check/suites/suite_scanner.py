"""A scanner of a plugin keeps the contract, as far as that can be seen from outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from devbench_core.contracts.scanner import Scanner
from devbench_core.model.image import Image
from devbench_core.testing.check.subject import Subject
from devbench_core.testing.kit import ScannerContract, open_provider
from devbench_core.testing.kit.scanner import Failing

FEWEST = 2


class TestScanner(ScannerContract):
    """Opened anew for each test."""

    @pytest_asyncio.fixture
    async def scanner(self, subject: Subject, tmp_path: Path) -> AsyncGenerator[Scanner]:
        """Open it."""
        async with open_provider(subject.provider, tmp_path, settings=subject.settings) as opened:
            yield opened

    @pytest.fixture
    def images(self, subject: Subject) -> list[Image]:
        """Give those that were named."""
        named = [each.partition("@") for each in subject.images]
        if len(named) < FEWEST or not all(digest for _, _, digest in named):
            pytest.skip("not given: two images, each as --image NAME@DIGEST")
        return [Image(name=name, id=digest) for name, _, digest in named]

    @pytest.fixture
    def failing(self) -> Failing:
        """Leave that to the tests of its author."""
        pytest.skip("not given: a way to make the scanner fail, which only its author's tests have")
