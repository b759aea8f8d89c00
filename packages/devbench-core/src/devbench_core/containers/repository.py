"""Containers in the store: the record, the claim of its alias, and the words it is found by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import attrs

from devbench_core.clock import Clock
from devbench_core.containers.bindings import Bindings
from devbench_core.contracts.store import ABSENT, Put, Record, Remove, Store
from devbench_core.errors import Conflict, ContainerNotFound
from devbench_core.ids import CONTAINER, is_id
from devbench_core.model.container import Container, Status
from devbench_core.records import from_json, to_json

KIND = "container"
ALIAS_KIND = "alias"
ATTACHMENT_KIND = "attachment"
ATTACHMENTS_MAX = 256  # remembered for each container
LIVING = "living"
ENDED = "ended"
LEFTOVER = "leftover"  # ended, but its removal from the engine is not confirmed
PAGE = 200
COUNTED_AT_ONCE = 1000


def alias_key(tenant: str, alias: str) -> str:
    """Return the key of an alias's claim."""
    return f"{tenant}/{alias}"


def terms_of(container: Container) -> frozenset[str]:
    """Return the words a container is found by."""
    words = {f"tenant={container.tenant}", ENDED if container.ending else LIVING}
    if container.ending and container.status is not Status.GONE:
        words.add(LEFTOVER)
    words |= {f"label:{key}={value}" for key, value in container.spec.labels.items()}
    return frozenset(words)


def put(container: Container) -> Put:
    """Return the change that writes a container, expecting the revision it was read at."""
    return Put(
        kind=KIND,
        key=container.id,
        data=to_json(attrs.evolve(container, revision=0)),
        terms=terms_of(container),
        expect=container.revision,
    )


def claim_alias(container: Container) -> tuple[Put, ...]:
    """Return the change that claims the alias, none without one."""
    alias = container.spec.alias
    if alias is None:
        return ()
    key = alias_key(container.tenant, alias)
    return (Put(kind=ALIAS_KIND, key=key, data={"container_id": container.id}, expect=ABSENT),)


def free_alias(container: Container) -> tuple[Remove, ...]:
    """Return the change that frees the alias, none without one."""
    alias = container.spec.alias
    return () if alias is None else (Remove(kind=ALIAS_KIND, key=alias_key(container.tenant, alias)),)


def read(record: Record) -> Container:
    """Return the container of a record."""
    return attrs.evolve(from_json(Container, record.data), revision=record.revision)


class Repository:
    """Reads and writes containers."""

    def __init__(self, store: Store, clock: Clock, binding_s: float = 0.0) -> None:
        self.store = store
        self._bindings = Bindings(clock, binding_s)
        self._promised: dict[str, Container] = {}

    def promise(self, container: Container) -> None:
        """Answer with this record, which is being written, until `settle`: nobody here reads what is older."""
        self._promised[container.id] = container

    def settle(self, container_id: str) -> None:
        """Answer with the store's record again."""
        self._promised.pop(container_id, None)

    async def by_id(self, container_id: str) -> Container | None:
        """Return a container whoever owns it, or None."""
        promised = self._promised.get(container_id)
        if promised is not None:
            return promised
        record = await self.store.get(KIND, container_id)
        return None if record is None else self._newest(read(record))

    def _newest(self, container: Container) -> Container:
        return self._promised.get(container.id, container)

    async def bound(self, name: str, tenant: str) -> Container:
        """Return what `find` returns, from a short memory when it was asked a moment ago.

        Raises:
            ContainerNotFound: The tenant has no such container.
        """
        known = self._bindings.get(tenant, name)
        if known is not None:
            return known
        found = await self.find(name, tenant)
        self.remember(name, found)
        return found

    def remember(self, name: str, container: Container) -> None:
        """Keep what a name means for a moment, if it can be used."""
        if container.ending is None and container.status is Status.RUNNING:
            self._bindings.keep(container.tenant, name, container)

    async def find(self, name: str, tenant: str) -> Container:
        """Return a tenant's container by id or, among the living, by alias.

        Raises:
            ContainerNotFound: The tenant has no such container.
        """
        container_id = name
        if not is_id(name, CONTAINER):
            claim = await self.store.get(ALIAS_KIND, alias_key(tenant, name)) if _fits(name) else None
            container_id = str(claim.data["container_id"]) if claim else ""
        container = await self.by_id(container_id) if container_id else None
        if container is None or container.tenant != tenant:
            raise ContainerNotFound(
                f"no container {name[:80]!r}",
                hint="list_containers shows yours; an alias ends with its container",
            )
        return container

    async def count_living(self, tenant: str) -> int:
        """Return how many of a tenant's containers live."""
        terms, count, cursor = frozenset({f"tenant={tenant}", LIVING}), 0, ""
        while True:
            page = await self.store.list(KIND, terms=terms, after=cursor, limit=COUNTED_AT_ONCE)
            count, cursor = count + len(page.records), page.cursor
            if not cursor:
                return count

    async def save(self, container: Container, *also: Put | Remove) -> Container:
        """Write a container (and further changes, all or nothing) and return it with its new revision.

        Raises:
            Conflict: It changed since it was read, or one of the other expectations failed.
        """
        self._bindings.forget(container.id)
        records = await self.store.apply(put(container), *also)
        self._bindings.forget(container.id)  # somebody may have looked meanwhile
        first = records[0]
        return attrs.evolve(container, revision=first.revision if first else 0)

    async def change(self, container_id: str, **fields: object) -> Container:
        """Set fields of a living container, retrying when somebody else changed it meanwhile.

        Returns:
            The new record; the unchanged one when the container has ended.

        Raises:
            ContainerNotFound: There is no such record.
        """
        for _ in range(10):
            container = await self.by_id(container_id)
            if container is None:
                raise ContainerNotFound(f"no container {container_id!r}")
            if container.ending is not None:
                return container
            try:
                return await self.save(attrs.evolve(container, **fields))
            except Conflict:
                continue
        raise Conflict(f"container {container_id!r} changes too often", hint="try again")

    async def all(self, *terms: str) -> AsyncIterator[Container]:
        """Iterate over containers with all these terms, whoever owns them."""
        cursor = ""
        while True:
            page = await self.store.list(KIND, terms=frozenset(terms), after=cursor, limit=PAGE)
            for record in page.records:
                yield self._newest(read(record))
            cursor = page.cursor
            if not cursor:
                return

    async def page(
        self, tenant: str, labels: Mapping[str, str], *, include_ended: bool, after: str, limit: int
    ) -> tuple[tuple[Container, ...], str]:
        """Return one page of a tenant's containers and the cursor of the next."""
        terms = {f"tenant={tenant}", *(f"label:{key}={value}" for key, value in labels.items())}
        if not include_ended:
            terms.add(LIVING)
        page = await self.store.list(KIND, terms=frozenset(terms), after=after, limit=limit)
        return tuple(self._newest(read(record)) for record in page.records), page.cursor


def _fits(alias: str) -> bool:
    return 0 < len(alias) <= 63
