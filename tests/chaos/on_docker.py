"""The same on a Docker engine of its own, with what may happen to that; too slow for every run of the tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from harness.chaos.docker_world import docker_world
from harness.chaos.faults import ENGINE_FAULTS
from harness.chaos.promises import SEED, TIMEOUT_S, named, promises_hold
from harness.chaos.world import Fault, World

pytestmark = [pytest.mark.timeout(TIMEOUT_S), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def docker_hosts(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """Three hosts on a Docker engine of their own."""
    async with docker_world(tmp_path_factory.mktemp("chaos"), SEED) as world:
        yield world


@named(ENGINE_FAULTS)
async def test_what_was_promised_holds_on_docker_although(docker_hosts: World, fault: Fault):
    await promises_hold(docker_hosts, fault)
