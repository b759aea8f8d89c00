"""One container that Podman cannot show hides no other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import CreateRequest
from devbench_core.engines.names import split_ref
from devbench_core.errors import EngineFailed
from devbench_core.model.container import Status
from devbench_core.model.policy import Policy
from devbench_runtime_podman.calls import PodmanCalls
from devbench_runtime_podman.runtime import PodmanRuntime
from harness.lost_layers import without_layer

Requests = Callable[..., Awaitable[CreateRequest]]
GUEST = "2000:2000"


async def test_a_container_that_podman_fails_to_show_is_unknown_and_hides_no_other(
    runtime: PodmanRuntime, calls: PodmanCalls, context: OpenContext, wanted: Requests
):
    refs = [await runtime.create(await wanted(policy=Policy(exec_users=(GUEST,)))) for _ in range(3)]
    damaged = await runtime.inspect(refs[1])
    async with without_layer(await calls.show(split_ref(damaged.ref)[0])):
        with pytest.raises(EngineFailed):
            await runtime.inspect(damaged.ref)
        seen = {each.ref: each async for each in runtime.list(context.installation)}
    assert {each.ref: each.status for each in seen.values()} == {
        ref: Status.UNKNOWN if ref == damaged.ref else Status.CREATING for ref in refs
    }
    assert seen[damaged.ref] == attrs.evolve(damaged, status=Status.UNKNOWN)
