"""Optional powers of a store: separate Protocols, probed when somebody asks for them.

Dumps move everything from one store to another. Maintenance is offered by a store's `Provider.maintain`, since it works
on a store that cannot be opened: an old one, a newer one, a damaged one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

import attrs

from devbench_core.contracts.store import Append, Record
from devbench_core.values import frozen

__all__ = [
    "DumpItem",
    "Maintenance",
    "StoreState",
    "SupportsCheck",
    "SupportsDump",
    "SupportsLoad",
    "SupportsUpgrade",
    "SupportsVacuum",
]

DumpItem = Record | Append
"""A record as it is, or some entries of one log."""


@runtime_checkable
class SupportsDump(Protocol):
    """The store can give all that it holds."""

    def dump(self) -> AbstractAsyncContextManager[AsyncIterator[DumpItem]]:
        """Give everything as it is at the moment of entering, in bounded memory; others write on meanwhile.

        First come all records, by rising kind and key, then all logs, by rising name, each in pieces whose seqs rise.
        Texts are in the order of code points.

        Raises:
            StoreFailed: The store cannot be read.
        """
        ...


@runtime_checkable
class SupportsLoad(Protocol):
    """The store can take in what another one gave."""

    async def load(self, items: AsyncIterator[DumpItem], *, replace: bool = False) -> None:
        """Take in all items, or nothing; others see nothing of them before all are there.

        Records keep their revisions. Whatever ``items`` raises is raised here, and then nothing was changed; nor is
        anything changed when this process is killed in the middle. Memory is bounded. What others write comes wholly
        before it or after it, and may have to wait, or fail.

        Args:
            items: In the order in which `SupportsDump.dump` gives them.
            replace: Everything that is there goes. Otherwise the store must be empty.

        Raises:
            Conflict: The store is not empty, and was not to be replaced.
            ValidationFailed: An item is out of order, or none that a store takes.
            StoreFailed: The store refused.
        """
        ...


@frozen
class StoreState:
    """What a store is like at one moment.

    Attributes:
        backend: What keeps it, and where, without secrets: one line.
        schema: The version of its form, "" where nothing is there yet.
        wanted: The version that this program makes; versions are ordered as text.
        usable: Whether this program may work with it, or can upgrade it.
        size_bytes: What it takes on its disk, None where nobody tells.
        records: How many there are, by kind.
        logs: How many there are.
        entries: How many all logs have together.
    """

    backend: str
    schema: str
    wanted: str
    usable: bool
    size_bytes: int | None = None
    records: Mapping[str, int] = attrs.field(factory=dict[str, int])
    logs: int = 0
    entries: int = 0


class Maintenance(Protocol):
    """Looks at a store without opening it as a host does, and without changing it."""

    async def state(self) -> StoreState:
        """Return what it is like; where it cannot be used only backend, versions and size.

        Raises:
            StoreFailed: It cannot be read.
        """
        ...


@runtime_checkable
class SupportsUpgrade(Protocol):
    """The store's form has versions."""

    async def upgrade(self) -> None:
        """Bring it to the wanted version, wholly or not at all; nothing is done where it is there already.

        Raises:
            StoreFailed: It is newer than this program can use, or cannot be written.
        """
        ...


@runtime_checkable
class SupportsCheck(Protocol):
    """The store can be looked through for damage."""

    async def check(self) -> tuple[str, ...]:
        """Return what is wrong, a sentence each, the first hundred at most; nothing is mended.

        Raises:
            StoreFailed: It cannot be read at all.
        """
        ...


@runtime_checkable
class SupportsVacuum(Protocol):
    """The store keeps space that it no longer needs until it is told to give it back."""

    async def vacuum(self) -> None:
        """Give back what is not needed; hosts may go on, and wait for it.

        Raises:
            StoreFailed: It cannot be written, or others use it.
        """
        ...
