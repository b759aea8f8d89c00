"""A bench on fakes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from devbench_core.testing.fake import FakeBench, fake_bench


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncGenerator[FakeBench]:
    async with fake_bench(tmp_path) as opened:
        yield opened
