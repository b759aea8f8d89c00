"""Puts the use cases together: the only place that knows all of them."""

from __future__ import annotations

import asyncio

import attrs

from devbench_core import metrics
from devbench_core.clock import Clock
from devbench_core.compose.registry import Registry
from devbench_core.config.settings import Settings
from devbench_core.containers.context import Context
from devbench_core.containers.instances import Instances
from devbench_core.containers.links import Links
from devbench_core.containers.repository import Repository
from devbench_core.containers.service import Containers
from devbench_core.contracts.runtime import Runtime
from devbench_core.contracts.store import Store
from devbench_core.execs import Execs
from devbench_core.execs.context import ExecContext
from devbench_core.files import Files
from devbench_core.files.operations import FileContext
from devbench_core.idempotency import Keys
from devbench_core.images import Images
from devbench_core.images.pulls import Progress
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container
from devbench_core.model.event import Event
from devbench_core.model.execution import ExecRequest
from devbench_core.model.image import Image
from devbench_core.shells import Shells
from devbench_core.shells.context import ShellContext


@attrs.frozen(kw_only=True, eq=False)
class Services:
    """The use cases of one opened core."""

    containers: Containers
    execs: Execs
    shells: Shells
    files: Files
    images: Images


@attrs.frozen(kw_only=True, eq=False)
class Parts:
    """What was opened and found before the use cases are put on it."""

    settings: Settings
    registry: Registry
    installation: str
    instance: str
    serving: bool
    store: Store
    runtime: Runtime
    clock: Clock
    tasks: asyncio.TaskGroup

    def emit(self, event: Event) -> None:
        """Count an event and tell the observers."""
        metrics.EVENTS.labels(name=event.name).inc()
        self.registry.emit(event)

    def image_event(self, name: str, caller: Caller | None, fields: dict[str, object]) -> None:
        """Tell what happened to an image."""
        self.emit(Event(name=name, at=self.clock.now(), caller=caller, fields=fields))


class _Later:
    """Breaks the circle of execs, which look containers up, and containers, which end execs."""

    containers: Containers


def wire(parts: Parts) -> Services:
    """Build the use cases."""
    later = _Later()
    settings = parts.settings
    images = Images(
        parts.runtime, settings.images, parts.clock, parts.image_event, review=parts.registry.review
    )
    instances = Instances(parts.store, parts.clock, settings.startup.dead_after_s)

    async def living(name: str, caller: Caller) -> Container:
        return await later.containers.living(name, caller=caller)

    async def find(name: str, caller: Caller) -> Container:
        return await later.containers.get(name, caller=caller)

    async def look(container_id: str) -> None:
        """See whether a container still runs whose channel was cut."""
        found = await later.containers.repository.by_id(container_id)
        if found is None:
            return
        found = await later.containers.inspect(found.id, caller=Caller(tenant=found.tenant))
        if found.ending is not None:  # another host may have ended it: those who wait here must hear of it
            await execs.end_all(found, found.ending)

    links = Links(
        runtime=parts.runtime,
        store=parts.store,
        instance=parts.instance,
        limits=settings.channel,
        tasks=parts.tasks,
        alive=instances.alive,
        look=look,
    )
    execs = Execs(
        ExecContext(
            store=parts.store,
            clock=parts.clock,
            instance=parts.instance,
            limits=settings.execs,
            tasks=parts.tasks,
            resolve=living,
            find=find,
            link=links.of,
            review=parts.registry.review,
            emit=parts.emit,
            alive=instances.alive,
            file_limits=settings.files,
        )
    )
    shells = Shells(
        ShellContext(
            store=parts.store,
            clock=parts.clock,
            limits=settings.shells,
            tasks=parts.tasks,
            execs=execs,
            resolve=living,
            find=find,
            review=parts.registry.review,
            emit=parts.emit,
        )
    )
    files = Files(
        FileContext(
            clock=parts.clock,
            limits=settings.files,
            resolve=living,
            link=links.of,
            review=parts.registry.review,
            emit=parts.emit,
        )
    )
    later.containers = _containers(parts, images, instances, links, execs, shells)
    return Services(containers=later.containers, execs=execs, shells=shells, files=files, images=images)


def _containers(
    parts: Parts, images: Images, instances: Instances, links: Links, execs: Execs, shells: Shells
) -> Containers:
    settings = parts.settings

    async def resolve_image(name: str, caller: Caller, progress: Progress | None) -> Image:
        return await images.resolve(name, caller=caller, progress=progress)

    async def run_entrypoint(container: Container, image: Image) -> None:
        if image.command:
            caller = Caller(tenant=container.tenant, subject=container.created_by)
            await execs.start(container.id, ExecRequest(argv=image.command), caller=caller)

    async def forget(container_id: str) -> None:
        await shells.forget(container_id)
        await execs.forget(container_id)

    context = Context(
        settings=settings,
        clock=parts.clock,
        installation=parts.installation,
        instance=parts.instance,
        serving=parts.serving,
        runtime=parts.runtime,
        repository=Repository(parts.store, parts.clock, settings.containers.binding_s),
        keys=Keys(parts.store, parts.clock, settings.containers.idempotency_ttl_s, "container"),
        instances=instances,
        links=links,
        tasks=parts.tasks,
        review_hook=parts.registry.review,
        emit_hook=parts.emit,
    )
    return Containers(
        context,
        resolve_image=resolve_image,
        forget_image=images.forget,
        run_entrypoint=run_entrypoint,
        end_execs=execs.end_all,
        recover_execs=execs.recover,
        running_execs=execs.running,
        forget_execs=forget,
        sweep_shells=shells.sweep,
    )
