"""Three hosts under load, and one fault after the other: what was promised holds, and nothing is done twice.

`nox -s chaos` does it at length, and on Docker too. ``DEVBENCH_TEST_CHAOS_SEED`` repeats the choices of a run, not its
timing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from harness.chaos.bubblewrap_world import bubblewrap_world
from harness.chaos.faults import FAULTS
from harness.chaos.promises import SEED, TIMEOUT_S, named, promises_hold
from harness.chaos.world import Fault, World

pytestmark = [pytest.mark.timeout(TIMEOUT_S), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """Three hosts of bubblewrap."""
    async with bubblewrap_world(tmp_path_factory.mktemp("chaos"), SEED) as world:
        yield world


@named(FAULTS)
async def test_what_was_promised_holds_although(hosts: World, fault: Fault):
    await promises_hold(hosts, fault)
