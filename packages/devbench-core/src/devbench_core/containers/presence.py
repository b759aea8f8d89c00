"""A host's sign of life: given before anybody can look it up, and not by who only looks."""

from __future__ import annotations

from collections.abc import Callable

from devbench_core.contracts.store import Change, Put, Record, Remove, Store
from devbench_core.passing import PassingStore


class SignedStore(PassingStore):
    """A store whose first change carries the host's sign of life along, in one transaction.

    What names a host must never be there without its sign: the others would take it for dead, and over what it does.
    So a host that stays announces itself when it opens; and since agents are told by whom a command is before it is
    recorded, so does whoever speaks to one. A command line that only looks is named nowhere, and a sign would be all
    that it writes: two transactions and, at its end, a copy of the database's log, each waiting for the disk. (A lease
    in the store names its host without one: it is judged by time, and nobody looks the host up.)

    Attributes:
        may_be_known: Whether the store may hold the sign.

    Args:
        store: Where everything goes.
        sign: Gives the record of the host, as of now.
    """

    def __init__(self, store: Store, sign: Callable[[], Put]) -> None:
        super().__init__(store)
        self._sign = sign
        self._is_given = False
        self.may_be_known = False

    async def announce(self) -> None:
        """Give the sign, if it was not given yet."""
        if not self._is_given:
            self.may_be_known = True  # also when the answer is lost
            await self._store.apply(self._sign())
            self._is_given = True

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Do all changes or none."""
        if self._is_given or not changes:
            return await self._store.apply(*changes)
        sign = self._sign()
        is_sign = any(
            isinstance(each, Put) and (each.kind, each.key) == (sign.kind, sign.key) for each in changes
        )
        self.may_be_known = True  # also when the answer is lost
        done = await self._store.apply(*changes, *([] if is_sign else [sign]))
        self._is_given = True
        return done[: len(changes)]

    async def withdraw(self) -> None:
        """Take the sign back where it may have been given; what is written after this gives none."""
        self._is_given = True
        if self.may_be_known:
            sign = self._sign()
            await self._store.apply(Remove(kind=sign.kind, key=sign.key))
