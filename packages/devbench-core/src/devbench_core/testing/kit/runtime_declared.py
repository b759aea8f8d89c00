"""What a runtime says of itself is what its author says of it."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.contracts import powers
from devbench_core.contracts.runtime import Runtime
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.policy import Clause
from devbench_core.testing.kit.claims import POWERS, Claims
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.runtime_opening import WithRuntime

PING_S = 5.0


@in_time
@pytest.mark.asyncio
@stated_by((Runtime, "capabilities"), Capabilities)
class RuntimeDeclaredContract(WithRuntime):
    """What a runtime says of itself."""

    async def test_something_is_claimed(self, claims: Claims):
        assert claims.has_any, "nothing at all is claimed, so nothing would be tested"
        assert claims.architectures, "no architecture is claimed, so no container could run"

    async def test_it_shows_exactly_what_is_claimed(self, runtime: Runtime, claims: Claims):
        shown = runtime.capabilities
        assert shown.enforces == claims.enforces
        assert shown.images == claims.images
        assert shown.architectures == claims.architectures

    @stated_by(*POWERS)
    async def test_it_has_exactly_the_powers_that_are_claimed(self, runtime: Runtime, claims: Claims):
        assert {power for power in POWERS if isinstance(runtime, power)} == claims.powers

    @stated_by(powers.SupportsUsers)
    async def test_who_enforces_other_users_can_start_their_agents(self, runtime: Runtime):
        enforced = Clause.EXEC_USERS in runtime.capabilities.enforces
        assert enforced <= isinstance(runtime, powers.SupportsUsers)

    async def test_every_clause_is_enforced_or_its_absence_explained(self, runtime: Runtime):
        for clause in Clause:
            enforced = clause in runtime.capabilities.enforces
            explained = bool(runtime.capabilities.reasons.get(clause))
            assert enforced != explained, clause

    async def test_capabilities_stay_as_they_are_while_it_is_open(self, runtime: Runtime):
        assert runtime.capabilities == runtime.capabilities

    @stated_by(Runtime.ping)
    async def test_a_ping_tells_what_answers(self, runtime: Runtime):
        async with asyncio.timeout(PING_S):
            answered = await runtime.ping()
        assert answered.name
        assert answered.version
