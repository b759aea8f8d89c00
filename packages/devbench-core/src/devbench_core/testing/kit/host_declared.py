"""What the runtime of a host says of itself is what its author says of it."""

from __future__ import annotations

import pytest

from devbench_core.bench import Bench
from devbench_core.contracts.runtime import Runtime
from devbench_core.model.capabilities import Capabilities
from devbench_core.testing.kit.claims import POWERS, Claims
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_opening import WithHost


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by((Runtime, "capabilities"), Capabilities)
class HostDeclaredContract(WithHost):
    """What is claimed is something, and what the host's runtime shows."""

    async def test_something_is_claimed_of_the_host(self, claims: Claims):
        assert claims.has_any, "nothing at all is claimed, so nothing would be tested"

    async def test_the_hosts_runtime_shows_exactly_what_is_claimed(self, bench: Bench, claims: Claims):
        assert bench.runtime.capabilities.enforces == claims.enforces
        assert {power for power in POWERS if isinstance(bench.runtime, power)} == claims.powers
