"""The store as use cases see it: what is changed beneath a lease carries its token, and is refused with a stale one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context

import attrs

from devbench_core.contracts.lock import Lease
from devbench_core.contracts.store import Change, Fence, Record
from devbench_core.errors import StaleToken
from devbench_core.passing import PassingStore


@attrs.define
class _Held:
    """A lease beneath which something is done.

    Attributes:
        lease: Which.
        refused: What the store said when it had seen a later one; it would say so again.
    """

    lease: Lease
    refused: StaleToken | None = None

    def check(self) -> None:
        if self.refused is not None:
            raise self.refused
        self.lease.check()


_HELD: ContextVar[_Held | None] = ContextVar("devbench_lease", default=None)


@contextmanager
def beneath(lease: Lease) -> Generator[None]:
    """Let all that is changed in this block, and by tasks that it makes, carry the lease's token."""
    token = _HELD.set(_Held(lease))
    try:
        yield
    finally:
        _HELD.reset(token)


def no_lease() -> Context:
    """Return a context for a task that outlives the block in which it is begun, and belongs to no lease."""
    context = copy_context()
    context.run(_HELD.set, None)
    return context


class FencedStore(PassingStore):
    """A store whose changes beneath a lease are fenced; all else goes through as it is."""

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Do all changes or none; beneath a lease only while it is the latest."""
        held = _HELD.get()
        if held is None or not changes:
            return await self._store.apply(*changes)
        return (await self._fenced(held, *changes))[:-1]

    async def confirm(self) -> None:
        """See that the lease beneath which this is called, if any, is the latest, before something outside is done.

        Raises:
            LeaseLost: It is not; also as `StaleToken`.
        """
        held = _HELD.get()
        if held is not None:
            await self._fenced(held)

    async def _fenced(self, held: _Held, *changes: Change) -> tuple[Record | None, ...]:
        held.check()
        try:
            return await self._store.apply(*changes, Fence(key=held.lease.key, token=held.lease.token))
        except StaleToken as error:
            held.refused = error
            raise

    async def drop(self, log: str) -> None:
        """Delete a log. That it may go was written with a fence before, so a look at the clock is enough."""
        held = _HELD.get()
        if held is not None:
            held.check()
        await self._store.drop(log)
