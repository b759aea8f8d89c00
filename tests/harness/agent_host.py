"""A real agent as a local process, and hosts that run commands and work with files through it."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import attrs

import devbench_agent
from devbench_core.channel.link import AgentLink
from devbench_core.channel.settings import ChannelLimits
from devbench_core.channel.unix import open_unix
from devbench_core.clock import Clock, SystemClock
from devbench_core.contracts.store import Store
from devbench_core.contracts.stream import ByteStream
from devbench_core.execs import Execs
from devbench_core.execs.context import ExecContext
from devbench_core.execs.inputs import INPUT
from devbench_core.execs.settings import ExecLimits
from devbench_core.files import Files
from devbench_core.files.operations import FileContext
from devbench_core.files.settings import FileLimits
from devbench_core.forwarding.asking import Asker
from devbench_core.forwarding.serving import Handler, Server
from devbench_core.forwarding.settings import ForwardingLimits
from devbench_core.memory.store import MemoryStore
from devbench_core.model.caller import Caller
from devbench_core.model.container import Container, ContainerSpec, Status
from devbench_core.model.event import Event, Request, Veto
from devbench_core.model.policy import Policy
from devbench_core.shells import Shells
from devbench_core.shells.calls import OPERATIONS
from devbench_core.shells.context import ShellContext
from devbench_core.shells.settings import ShellLimits

CONTAINER_ID = "c_" + "0" * 20
START_S = 10.0
CHECK_S = 0.005
FORWARDING = ForwardingLimits(poll_s=0.01, margin_s=5)
Connect = Callable[[], Awaitable[ByteStream]]


@attrs.frozen(kw_only=True, eq=False)
class LocalAgent:
    """A running agent.

    Attributes:
        workspace: Its workspace, as this machine sees it.
        socket: Where it listens.
        token: What the first host claims it with.
        process: The agent itself.
    """

    workspace: Path
    socket: Path
    token: bytes
    process: subprocess.Popen[bytes]

    async def connect(self) -> ByteStream:
        """Open a fresh stream to it."""
        return await open_unix(self.socket)

    def kill(self) -> None:
        """End it as a container's end would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def running_agent(folder: Path, *options: str, prefix: Sequence[str] = ()) -> Generator[LocalAgent]:
    """Run an agent while the block lasts; the prefix is a command that runs it."""
    workspace, run = folder / "workspace", folder / "run"
    workspace.mkdir(exist_ok=True)  # another agent's before
    run.mkdir(mode=0o700, exist_ok=True)
    socket = run / "agent"
    socket.unlink(missing_ok=True)
    program = [*prefix, str(devbench_agent.binary())]
    words = [*program, "--workspace", str(workspace), "--socket", str(socket), *options]
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}  # a container's, not that of the tests
    with subprocess.Popen(words, cwd=workspace, env=env, stdin=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + START_S
            while not socket.exists():
                assert process.poll() is None, "the agent ended at once"
                assert time.monotonic() < deadline, "the agent does not listen"
                time.sleep(CHECK_S)
            yield LocalAgent(
                workspace=workspace, socket=socket, token=secrets.token_bytes(32), process=process
            )
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(START_S)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def frozen(agent: LocalAgent) -> Generator[None]:
    """Stop an agent while the block lasts."""
    agent.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        agent.process.send_signal(signal.SIGCONT)


@attrs.define(kw_only=True, eq=False)
class Host:
    """A host's use cases on one container.

    Attributes:
        execs: Commands.
        files: Files.
        shells: Persistent shells.
        server: Of calls that other hosts were given; a test that wants them served asks it to, in `serving`.
        link: To the agent.
        store: Where it keeps its state.
        container: The container; replace it to change what the use cases see.
        events: What was told to observers.
        veto: What reviewers say.
        dead: Instances that count as dead.
    """

    link: AgentLink
    store: Store
    container: Container
    instance: str
    events: list[Event] = attrs.field(factory=list[Event])
    requests: list[Request] = attrs.field(factory=list[Request])
    veto: Veto | None = None
    dead: set[str] = attrs.field(factory=set[str])
    execs: Execs = attrs.field(init=False)
    files: Files = attrs.field(init=False)
    shells: Shells = attrs.field(init=False)
    server: Server = attrs.field(init=False)

    async def resolve(self, name: str, caller: Caller) -> Container:
        """Return the one container."""
        return await self.look_up(name, caller)

    async def look_up(self, name: str, caller: Caller) -> Container:
        """What `resolve` does; tests replace it."""
        assert name == self.container.id
        assert caller
        return self.container

    async def link_of(self, container: Container, user: str = "", *, start: bool = False) -> AgentLink:
        """Return the one link; there is no other user."""
        assert not user
        assert not start
        assert container.id == self.container.id
        return self.link

    async def alive(self, instance: str) -> bool:
        """Tell whether a host lives."""
        return instance not in self.dead

    def review(self, request: Request) -> Veto | None:
        """Remember what is asked."""
        self.requests.append(request)
        return self.veto

    def told(self, name: str) -> list[Event]:
        """Return the events of a name."""
        return [event for event in self.events if event.name == name]


def a_container(*file_roots: Path) -> Container:
    """Return a record of a running container."""
    return Container(
        id=CONTAINER_ID,
        tenant="default",
        created_by="local",
        spec=ContainerSpec(image="", policy=Policy(file_roots=tuple(map(str, file_roots)))),
        runtime="local",
        status=Status.RUNNING,
        created_at=SystemClock().now(),
    )


def host_in(
    tasks: asyncio.TaskGroup,
    connect: Connect,
    token: bytes,
    *,
    claim: bool = True,
    store: Store | None = None,
    instance: str = "i_first",
    exec_limits: ExecLimits | None = None,
    file_limits: FileLimits | None = None,
    shell_limits: ShellLimits | None = None,
    channel_limits: ChannelLimits | None = None,
    clock: Clock | None = None,
) -> Host:
    """Return the use cases of one host on a container, whose background work is in these tasks."""
    clock, exec_limits = clock or SystemClock(), exec_limits or ExecLimits()
    link = AgentLink(
        connect=connect,
        token=token,
        claim=claim,
        instance=instance,
        limits=channel_limits or ChannelLimits(),
        tasks=tasks,
        running_max=exec_limits.concurrent_per_container,
    )
    host = Host(link=link, store=store or MemoryStore(), container=a_container(), instance=instance)
    asker = Asker(host.store, clock, FORWARDING, tasks, host.alive)
    host.execs = Execs(
        ExecContext(
            store=host.store,
            clock=clock,
            instance=instance,
            limits=exec_limits,
            tasks=tasks,
            resolve=host.resolve,
            find=host.resolve,
            link=host.link_of,
            review=host.review,
            emit=host.events.append,
            alive=host.alive,
            ask=asker.ask,
            file_limits=file_limits or FileLimits(),
        )
    )
    host.shells = Shells(
        ShellContext(
            store=host.store,
            clock=clock,
            limits=shell_limits or ShellLimits(),
            tasks=tasks,
            execs=host.execs,
            resolve=host.resolve,
            find=host.resolve,
            review=host.review,
            emit=host.events.append,
            ask=asker.ask,
        )
    )
    host.files = Files(
        FileContext(
            clock=clock,
            limits=file_limits or FileLimits(),
            resolve=host.resolve,
            link=host.link_of,
            review=host.review,
            emit=host.events.append,
        )
    )
    handlers: dict[str, Handler] = {each: partial(host.shells.serve, each) for each in OPERATIONS}
    handlers[INPUT] = host.execs.inputs.serve
    host.server = Server(host.store, clock, FORWARDING, tasks, instance, handlers)
    return host


@asynccontextmanager
async def serving(host: Host) -> AsyncGenerator[None]:
    """Have a host serve what others were asked while the block lasts."""

    async def serve() -> None:
        while True:
            if host.execs.inputs.are_open:  # as `Services.serve_others`
                await host.server.round()
            await asyncio.sleep(FORWARDING.poll_s)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(serve())
        yield
        task.cancel()


@asynccontextmanager
async def open_host(
    connect: Connect,
    token: bytes,
    *,
    claim: bool = True,
    store: Store | None = None,
    instance: str = "i_first",
    exec_limits: ExecLimits | None = None,
    file_limits: FileLimits | None = None,
    shell_limits: ShellLimits | None = None,
    channel_limits: ChannelLimits | None = None,
    clock: Clock | None = None,
) -> AsyncGenerator[Host]:
    """Open the use cases of one host on a container, and close them after the block."""
    async with asyncio.TaskGroup() as tasks:
        host = host_in(
            tasks,
            connect,
            token,
            claim=claim,
            store=store,
            instance=instance,
            exec_limits=exec_limits,
            file_limits=file_limits,
            shell_limits=shell_limits,
            channel_limits=channel_limits,
            clock=clock,
        )
        try:
            yield host
        finally:
            host.shells.aclose()
            await host.link.aclose()
            await host.execs.aclose()


async def eventually(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        await asyncio.sleep(CHECK_S)


def descendants(pid: int) -> list[int]:
    """Return all processes beneath one, but not keepers that wait for a command."""
    found: list[int] = []
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        pids = [int(text) for text in children.read_text(encoding="ascii").split()]
    except OSError:
        return []
    for child in pids:
        beneath = descendants(child)
        if beneath or not _is_keeper(child):
            found += [child, *beneath]
    return found


def _is_keeper(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == "devbench-keeper"
    except OSError:
        return False


def python(code: str) -> tuple[str, ...]:
    """Return the command that runs some Python."""
    return (sys.executable, "-c", code)


def open_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a folder of the kernel
