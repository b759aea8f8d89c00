"""The kit bound to a runtime of plain processes, as its author would."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import Runtime
from devbench_core.testing.check.subject import Subject
from devbench_core.testing.kit import Claims, RuntimeContract, Trait
from devbench_core.testing.kit.runtime_opening import GetImage, OpenRuntime


class TestRuntime(RuntimeContract):
    """It isolates nothing, and claims nothing of that."""

    @pytest.fixture
    def open_runtime(self, subject: Subject) -> OpenRuntime:
        settings = subject.provider.settings()
        return lambda context: subject.provider.open(settings, context)

    @pytest.fixture
    def open_cut_off(self, subject: Subject) -> OpenRuntime:
        settings = subject.provider.settings()

        @asynccontextmanager
        async def opened(context: OpenContext) -> AsyncGenerator[Runtime]:
            async with subject.provider.open(settings, context) as runtime:
                runtime.lost = True
                yield runtime

        return opened

    @pytest.fixture
    def claims(self) -> Claims:
        traits = frozenset({Trait.EXIT_CODES, Trait.SEEN_PROCESSES})
        return Claims(enforces=frozenset(), images=False, traits=traits)

    @pytest.fixture
    def image(self) -> GetImage:
        return lambda runtime: runtime.resolve_image("host")
