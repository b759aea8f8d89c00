"""What the parts of the containers use case share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import attrs

from devbench_core.clock import Clock
from devbench_core.config.settings import Settings
from devbench_core.containers.instances import Instance, Instances
from devbench_core.containers.links import Links
from devbench_core.containers.orphans import Orphans
from devbench_core.containers.presence import SignedStore
from devbench_core.containers.repository import Repository
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import Vetoed
from devbench_core.idempotency import Keys
from devbench_core.model.caller import Caller
from devbench_core.model.event import Event, Request, Veto


@attrs.frozen(kw_only=True, eq=False)
class Context:
    """The collaborators, put together once by `devbench_core.bench`.

    Attributes:
        own: This host, as others see it.
        signed: Knows whether the store may say that this host lives.
    """

    settings: Settings
    clock: Clock
    installation: str
    instance: str
    own: Instance
    serving: bool
    runtime: Runtime
    repository: Repository
    keys: Keys
    instances: Instances
    links: Links
    orphans: Orphans
    confirm: Callable[[], Awaitable[None]]
    signed: SignedStore
    tasks: asyncio.TaskGroup
    review_hook: Callable[[Request], Veto | None]
    emit_hook: Callable[[Event], None]

    def review(
        self, operation: str, caller: Caller, *, container_id: str = "", subject: object = None
    ) -> None:
        """Ask the reviewers.

        Raises:
            Vetoed: One of them refuses.
        """
        request = Request(operation=operation, caller=caller, container_id=container_id, subject=subject)
        veto = self.review_hook(request)
        if veto is not None:
            raise Vetoed(
                f"{operation} was refused by {veto.clause}: {veto.reason}", details={"clause": veto.clause}
            )

    def emit(
        self, name: str, caller: Caller | None, container_id: str, fields: dict[str, object] | None = None
    ) -> None:
        """Tell the observers."""
        event = Event(
            name=name, at=self.clock.now(), caller=caller, container_id=container_id, fields=fields or {}
        )
        self.emit_hook(event)
