"""Puts the use cases together: the only place that knows all of them.

Each is made when it is first asked for, and its modules are imported then: a short command line needs one or two.
"""

from __future__ import annotations

import asyncio
from functools import cached_property, partial
from typing import TYPE_CHECKING

import attrs
from pydantic import BaseModel

from devbench_core import metrics
from devbench_core.clock import Clock
from devbench_core.compose.discovery import PluginSource
from devbench_core.compose.registry import Registry
from devbench_core.config.settings import Settings
from devbench_core.containers.context import Context
from devbench_core.containers.instances import Instance, Instances
from devbench_core.containers.links import Links
from devbench_core.containers.orphans import Orphans
from devbench_core.containers.presence import SignedStore
from devbench_core.containers.repository import Repository
from devbench_core.containers.service import Containers
from devbench_core.contracts.runtime import Runtime
from devbench_core.execs import words as execs
from devbench_core.idempotency import Keys
from devbench_core.json_types import JsonObject
from devbench_core.leading.fencing import FencedStore
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container, ContainerEnding
from devbench_core.model.event import Event
from devbench_core.shells.settings import SHELL_KIND

if TYPE_CHECKING:
    from devbench_core.execs.service import Execs
    from devbench_core.files.service import Files
    from devbench_core.forwarding.asking import Asker
    from devbench_core.forwarding.serving import Handler, Server
    from devbench_core.images.pulls import Progress
    from devbench_core.images.service import Images
    from devbench_core.model.execution import Exec
    from devbench_core.model.image import Image
    from devbench_core.pools.service import Pools, Record
    from devbench_core.shells.service import Shells


@attrs.frozen(kw_only=True, eq=False)
class Parts:
    """What was opened and found before the use cases are put on it."""

    settings: Settings
    registry: Registry
    installation: str
    own: Instance
    serving: bool
    lasting: bool
    store: FencedStore
    signed: SignedStore
    runtime: Runtime
    clock: Clock
    tasks: asyncio.TaskGroup
    runtime_settings: BaseModel | None = None
    plugins: tuple[PluginSource, ...] = ()

    def emit(self, event: Event) -> None:
        """Count an event and tell the observers."""
        metrics.EVENTS.labels(event.name).inc()
        self.registry.emit(event)

    def image_event(self, name: str, caller: Caller | None, fields: dict[str, object]) -> None:
        """Tell what happened to an image."""
        self.emit(Event(name=name, at=self.clock.now(), caller=caller, fields=fields))


class Services:
    """The use cases of one opened core. Execs look containers up, and containers end execs."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._instances = Instances(
            parts.store,
            parts.clock,
            parts.settings.startup.dead_after_s,
            own=parts.own.id,
            watching=parts.serving,
        )
        self._links = Links(
            runtime=parts.runtime,
            store=parts.store,
            instance=parts.own.id,
            limits=parts.settings.channel,
            running_max=parts.settings.execs.concurrent_per_container,
            tasks=parts.tasks,
            alive=self._instances.alive,
            announce=parts.signed.announce,
            look=self._look,
        )

    @property
    def clock(self) -> Clock:
        """Where time comes from."""
        return self._parts.clock

    async def alive(self, instance_id: str) -> bool:
        """Tell whether a host lives, as far as this one has seen."""
        return await self._instances.alive(instance_id)

    async def announce(self) -> None:
        """Say that this host lives, if it was not said yet."""
        await self._parts.signed.announce()

    @property
    def serving(self) -> bool:
        """Whether this is a host that stays."""
        return self._parts.serving

    @cached_property
    def containers(self) -> Containers:
        """Spawn, attach, kill, inspect, list."""
        return Containers(
            self._context,
            resolve_image=self._resolve_image,
            forget_image=self._forget_image,
            run_entrypoint=self._run_entrypoint,
            end_execs=self._end_execs,
            recover_execs=self._recover_execs,
            running_execs=self._running_execs,
            forget_execs=self._forget,
            sweep_shells=self._sweep_shells,
            take_warm=self._take_warm if self._parts.settings.pools.warm else None,
        )

    @cached_property
    def pools(self) -> Pools:
        """Containers that wait for spawns."""
        from devbench_core.pools.service import Pools
        from devbench_core.pools.template import maker_of

        parts = self._parts
        return Pools(
            self._context,
            maker=maker_of(parts.runtime.name, parts.runtime_settings, parts.plugins),
            resolve=lambda name, caller: self._resolve_image(name, caller, None),
        )

    @cached_property
    def execs(self) -> Execs:
        """Run commands and follow them."""
        from devbench_core.execs.context import ExecContext
        from devbench_core.execs.service import Execs

        return Execs(
            ExecContext(
                store=self._parts.store,
                clock=self._parts.clock,
                instance=self._parts.own.id,
                limits=self._parts.settings.execs,
                tasks=self._parts.tasks,
                resolve=self._living,
                find=self._find,
                link=self._links.of,
                review=self._parts.registry.review,
                emit=self._parts.emit,
                alive=self._instances.alive,
                ask=self._asker.ask,
                file_limits=self._parts.settings.files,
            )
        )

    @cached_property
    def shells(self) -> Shells:
        """Open shells that keep their state, and run scripts in them."""
        from devbench_core.shells.context import ShellContext
        from devbench_core.shells.service import Shells

        return Shells(
            ShellContext(
                store=self._parts.store,
                clock=self._parts.clock,
                limits=self._parts.settings.shells,
                tasks=self._parts.tasks,
                execs=self.execs,
                resolve=self._living,
                find=self._find,
                review=self._parts.registry.review,
                emit=self._parts.emit,
                ask=self._asker.ask,
            )
        )

    @cached_property
    def _asker(self) -> Asker:
        from devbench_core.forwarding.asking import Asker

        parts = self._parts
        return Asker(parts.store, parts.clock, parts.settings.forwarding, parts.tasks, self._instances.alive)

    @cached_property
    def _server(self) -> Server:
        from devbench_core.execs.inputs import INPUT
        from devbench_core.forwarding.serving import Server
        from devbench_core.shells.calls import OPERATIONS

        parts = self._parts
        handlers: dict[str, Handler] = {each: partial(self._serve_shell, each) for each in OPERATIONS}
        handlers[INPUT] = self.execs.inputs.serve
        return Server(
            parts.store, parts.clock, parts.settings.forwarding, parts.tasks, parts.own.id, handlers
        )

    async def serve_others(self) -> None:
        """Serve what other hosts were asked and this one alone can do: input for what it follows."""
        if "execs" in self.__dict__ and self.execs.inputs.are_open:
            await self._server.round()

    async def _serve_shell(self, operation: str, arguments: JsonObject, caller: Caller) -> JsonObject:
        return await self.shells.serve(operation, arguments, caller)

    @cached_property
    def files(self) -> Files:
        """Read and write files of workspaces."""
        from devbench_core.files.operations import FileContext
        from devbench_core.files.service import Files

        return Files(
            FileContext(
                clock=self._parts.clock,
                limits=self._parts.settings.files,
                resolve=self._living,
                link=self._links.of,
                review=self._parts.registry.review,
                emit=self._parts.emit,
            )
        )

    @cached_property
    def images(self) -> Images:
        """Resolve and list images."""
        from devbench_core.images.service import Images

        parts = self._parts
        return Images(
            parts.runtime,
            parts.settings.images,
            parts.clock,
            parts.image_event,
            review=parts.registry.review,
        )

    async def close_execs(self) -> None:
        """Follow no command any longer, if any was followed."""
        if "execs" in self.__dict__:
            await self.execs.aclose()

    async def tend_execs(self) -> None:
        """Look after what this host remembers of commands, if any were asked for."""
        if "execs" in self.__dict__:
            await self.execs.tend()

    async def tend_links(self) -> None:
        """Forget the links to containers that other hosts ended."""
        await self._links.forget_ended(self._has_ended)

    def close_shells(self) -> None:
        """Follow no shell any longer, if any was followed."""
        if "shells" in self.__dict__:
            self.shells.aclose()

    async def leave_pools(self) -> None:
        """Remove the warm containers that this host is responsible for, if it kept any."""
        if "pools" in self.__dict__ and self.serving:
            await self.pools.leave(heirs=await self.containers.has_heirs())

    @cached_property
    def _context(self) -> Context:
        parts, settings = self._parts, self._parts.settings
        return Context(
            settings=settings,
            clock=parts.clock,
            installation=parts.installation,
            instance=parts.own.id,
            own=parts.own,
            serving=parts.serving,
            runtime=parts.runtime,
            repository=Repository(parts.store, parts.clock, settings.containers.binding_s),
            keys=Keys(parts.store, parts.clock, settings.containers.idempotency_ttl_s, "container"),
            instances=self._instances,
            links=self._links,
            orphans=Orphans(
                parts.store,
                parts.clock,
                settings.lifetimes.orphan_grace_s if parts.lasting else 0.0,
                parts.runtime.name,
            ),
            confirm=parts.store.confirm,
            signed=parts.signed,
            tasks=parts.tasks,
            review_hook=parts.registry.review,
            emit_hook=parts.emit,
        )

    async def _take_warm(self, wanted: Container, image: Image, record: Record) -> Container | None:
        return await self.pools.take(wanted, image, record)

    async def _living(self, name: str, caller: Caller) -> Container:
        return await self.containers.living(name, caller=caller)

    async def _find(self, name: str, caller: Caller) -> Container:
        return await self.containers.get(name, caller=caller)

    async def _has_ended(self, container_id: str) -> bool:
        found = await self.containers.repository.by_id(container_id)
        return found is not None and found.ending is not None  # one without a record waits in a pool

    async def _look(self, container_id: str) -> None:
        """See whether a container still runs whose channel was cut."""
        found = await self.containers.repository.by_id(container_id)
        if found is None:
            return
        found = await self.containers.inspect(found.id, caller=Caller(tenant=found.tenant))
        if found.ending is not None:  # another host may have ended it: those who wait here must hear of it
            await self.execs.end_all(found, found.ending)

    async def _resolve_image(self, name: str, caller: Caller, progress: Progress | None) -> Image:
        return await self.images.resolve(name, caller=caller, progress=progress)

    def _forget_image(self, name: str) -> None:
        self.images.forget(name)

    async def _end_execs(self, container: Container, ending: ContainerEnding) -> None:
        await self.execs.end_all(container, ending)

    async def _recover_execs(self, container: Container) -> None:
        """Look after a container's commands; a command line that finds none alive needs nothing of what does that."""
        if self.serving or "execs" in self.__dict__ or await self._has_living_execs(container.id):
            await self.execs.recover(container)

    async def _has_living_execs(self, container_id: str) -> bool:
        page = await self._parts.store.list(
            execs.KIND, terms=execs.in_container(container_id, execs.LIVE), limit=1
        )
        return bool(page.records)

    async def _running_execs(self, container: Container) -> tuple[Exec, ...]:
        return await self.execs.running(container)

    async def _sweep_shells(self) -> None:
        if (await self._parts.store.list(SHELL_KIND, limit=1)).records:
            await self.shells.sweep()

    async def _run_entrypoint(self, container: Container, image: Image) -> None:
        if image.command:
            caller = Caller(tenant=container.tenant, subject=container.created_by)
            from devbench_core.model.execution import ExecRequest

            await self.execs.start(container.id, ExecRequest(argv=image.command), caller=caller)

    async def _forget(self, container_id: str) -> None:
        await self.shells.forget(container_id)
        await self.execs.forget(container_id)
