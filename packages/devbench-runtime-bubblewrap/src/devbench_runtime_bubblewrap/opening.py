"""Opening the runtime."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from devbench_core.contracts.provider import OpenContext
from devbench_core.errors import EngineFailed
from devbench_runtime_bubblewrap.agents import sweep_agents
from devbench_runtime_bubblewrap.capability import architecture, capabilities
from devbench_runtime_bubblewrap.cgroups.groups import ControlGroups, open_groups
from devbench_runtime_bubblewrap.deletion import discard
from devbench_runtime_bubblewrap.folders import Folders, older_than
from devbench_runtime_bubblewrap.identity import HostUser, host_user
from devbench_runtime_bubblewrap.images.store import ImageStore
from devbench_runtime_bubblewrap.program import Program, probe_and_try
from devbench_runtime_bubblewrap.remembered import recall, remember
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.sandbox.kept_etc import KeptEtc
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from devbench_runtime_bubblewrap.worker import Worker

if TYPE_CHECKING:
    from devbench_runtime_bubblewrap.launch import Launcher

FORGOTTEN_S = 24 * 3600.0
"""Something incoming that nobody has added to for so long belongs to a host that died."""


@asynccontextmanager
async def open_bubblewrap(
    settings: BubblewrapSettings, context: OpenContext
) -> AsyncGenerator[BubblewrapRuntime, None]:
    """Open the runtime; its containers live on when it is closed.

    Raises:
        EngineUnreachable: bwrap is not installed.
        EngineFailed: It is too old, or namespaces or folders cannot be made.
    """
    user = host_user(settings.run_as)
    worker = Worker(settings.file_threads)
    try:
        program = await _asked(settings, context.cache_dir, user, worker)
        runtime = await worker.do(partial(_assemble, settings, context, program, user, worker))
        await runtime.sweep()
        await worker.do(partial(_sweep_files, runtime))
        yield runtime
        await worker.do(partial(_close, runtime))
    finally:
        worker.close()


async def _asked(settings: BubblewrapSettings, cache: Path, user: HostUser, worker: Worker) -> Program:
    known = await worker.do(partial(recall, cache, settings.program, user, settings.probe_kept_s))
    if known is not None:
        return known
    program = await probe_and_try(settings.program, user, settings.probe_timeout_s)
    await worker.do(partial(remember, cache, program, user))
    return program


def _assemble(
    settings: BubblewrapSettings, context: OpenContext, program: Program, user: HostUser, worker: Worker
) -> BubblewrapRuntime:
    folders = Folders(base=settings.folder_in(context.state_dir))
    folders.make()
    images = ImageStore(settings.images_folder or folders.base / "images", architecture())
    images.prepare()
    for folder in (folders.base, images.folder):
        check_passable(folder, user)
    groups = open_groups(context.installation) if settings.cgroups else ControlGroups(())
    etc = KeptEtc(folders)
    return BubblewrapRuntime(
        name="bubblewrap",
        settings=settings,
        capabilities=capabilities(program, groups, cgroups=settings.cgroups),
        program=program,
        folders=folders,
        images_kept=images,
        groups=groups,
        user=user,
        etc=etc,
        launcher=cache(partial(_launcher, settings, program, user, groups, etc)),
        worker=worker,
        clock=context.clock,
    )


def _launcher(
    settings: BubblewrapSettings, program: Program, user: HostUser, groups: ControlGroups, etc: KeptEtc
) -> Launcher:
    from devbench_runtime_bubblewrap.launch import make_launcher  # of no use to who starts nothing

    return make_launcher(settings, program, user, groups, etc)


def check_passable(base: Path, user: HostUser) -> None:
    """Refuse a folder that the containers' user cannot reach.

    Raises:
        EngineFailed: A folder above it is closed; says which.
    """
    if not user.switch:
        return
    for folder in (base, *base.parents):
        if not folder.stat().st_mode & 0o001:
            raise EngineFailed(
                f"user {user.uid}, as whom containers run, cannot pass {folder}",
                hint="set plugin.bubblewrap.folder to a folder that everybody may pass, such as one in /var/lib",
            )


def _sweep_files(runtime: BubblewrapRuntime) -> None:
    folders, specs = runtime.folders, runtime.specs()
    sweep_agents(folders, {spec.agent for spec in specs})
    if not specs and not any(folders.trash.iterdir()):
        runtime.etc.sweep()
    for entry in folders.incoming.iterdir():
        if older_than(entry, FORGOTTEN_S):
            discard(entry, folders.trash)
    for name in runtime.groups.names() - {spec.container_id for spec in specs}:
        with suppress(OSError):  # another host is about to use or to remove it
            runtime.groups.remove(name, wait_s=0)


def _close(runtime: BubblewrapRuntime) -> None:
    """Give the control groups back when no container is left."""
    runtime.groups.close()
