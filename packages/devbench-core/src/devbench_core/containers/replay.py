"""What becomes of a spawn whose key was used before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import attrs

from devbench_core.containers.context import Context
from devbench_core.containers.ending import Ender
from devbench_core.containers.requests import SpawnRequest
from devbench_core.errors import Cancelled, TimedOut
from devbench_core.idempotency import Claim, Key
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container, EndReason, Status
from devbench_core.records import to_json
from devbench_core.values import frozen

CHECK_S = 0.05


@frozen
class Wanted:
    """A key that a spawn wants to stand for its container, and the claim as it was found."""

    key: Key
    found: Claim


def key_of(request: SpawnRequest, caller: Caller) -> Key | None:
    """Return the key of a request, None when it has none."""
    text = request.idempotency_key
    if text is None:
        return None
    return Key.of(text, to_json(attrs.evolve(request, idempotency_key=None)), caller, "spawn")


class Replay:
    """Waits for what holds a key.

    Args:
        context: The collaborators.
        ender: Ends what dead hosts left half made.
        under_way: This host's own spawns with a key, by the key of its record.
    """

    def __init__(
        self, context: Context, ender: Ender, under_way: Mapping[str, asyncio.Future[Container]]
    ) -> None:
        self._context = context
        self._ender = ender
        self._under_way = under_way

    async def find(self, key: Key) -> Container | Claim:
        """Return the container that holds a key, when it is made, else the claim that may be taken.

        Raises:
            Conflict: The key stands for a different request.
            TimedOut: The spawn under way takes longer than ``containers.spawn_timeout_s``.
        """
        keys = self._context.keys
        mine = self._under_way.get(key.record_key)
        if mine is not None:
            await keys.look(key)  # refuses a different request
            with suppress(Cancelled):  # whoever began it went away: begin anew
                return await asyncio.shield(mine)
        deadline = self._context.clock.monotonic_s() + self._context.settings.containers.spawn_timeout_s
        while True:
            claim = await keys.look(key)
            if not claim.holder:
                return claim
            if self._context.clock.monotonic_s() > deadline:
                raise TimedOut(
                    f"the spawn with key {key.text!r} is still under way",
                    hint="repeat the call with the same key",
                )
            container = await self._context.repository.by_id(claim.holder)
            if container is None or (container.ending and container.ending.reason is EndReason.SPAWN_FAILED):
                await keys.free(claim.holder)  # whoever failed is about to do it
            elif container.status is not Status.CREATING:
                return container
            elif await self._context.instances.alive(container.instance):
                await asyncio.sleep(CHECK_S)
            else:
                await self._ender.discard(container, "the host that was spawning it died", if_half_made=True)
