"""The link to a container's agent: opens a channel when needed, mends it, carries its commands over to the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum

from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.codes import RunState
from devbench_core.channel.exec_messages import Entry
from devbench_core.channel.execstream import ExecStream, Phase
from devbench_core.channel.faults import cut
from devbench_core.channel.messages import Limit
from devbench_core.channel.settings import ChannelLimits
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import (
    AgentGone,
    AgentMisbehaved,
    AgentSilent,
    AgentUnavailable,
    DevbenchError,
    TimedOut,
    Unauthorised,
)
from devbench_core.logs import get_logger

log = get_logger(__name__)
ACKNOWLEDGED_KEPT = 64  # endings whose acknowledgement may have been cut off; said again on the next channel
LIES_MAX = 3  # channels that may end by a lie, one soon after the other, before its commands are given up
SERVED_WELL_S = 60.0  # a channel that was open as long makes up for the lies of those before it
TAKE_OVERS_MAX = 2  # that one question may meet
LIMIT_FEATURE = "limit"
Connect = Callable[[], Awaitable[ByteStream]]


class Fate(Enum):
    """What becomes of a command at the agent that this host does not follow."""

    KEEP = "keep"  # somebody else's
    ACKNOWLEDGE = "acknowledge"  # its ending is recorded; the agent may forget it
    END = "end"  # nobody was promised anything: no record, and whoever started it is dead


class AgentLink:
    """The one way of this host to one container's agent.

    Args:
        connect: Opens a fresh stream to the agent; raises as `Runtime.connect` or `SupportsUsers.connect_guest`.
        token: 32 bytes that only hosts and the agent know.
        claim: Whether the agent has no token yet and is to be given this one.
        instance: This host's id.
        limits: Bounds.
        tasks: Owns the task that keeps the channel.
        running_max: How many commands of all hosts may run in the agent when this one starts another; None for as many
            as the agent itself takes. An agent of an older version does not count for its hosts.
        on_cut: Called when a channel was cut and could not be opened again at once, so that somebody looks
            whether the container still runs; commands wait for what is found.
    """

    def __init__(
        self,
        *,
        connect: Connect,
        token: bytes,
        claim: bool,
        instance: str,
        limits: ChannelLimits,
        tasks: asyncio.TaskGroup,
        running_max: int | None = None,
        on_cut: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._connect = connect
        self._token = token
        self._claim = claim
        self._instance = instance
        self._limits = limits
        self._tasks = tasks
        self._running_max = running_max
        self._on_cut = on_cut
        self._channel: AgentChannel | None = None
        self._opening: asyncio.Future[AgentChannel] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._streams: dict[str, ExecStream] = {}
        self._acknowledged: deque[str] = deque(maxlen=ACKNOWLEDGED_KEPT)
        self._boot_id = b""
        self._lies = 0
        self._closed = False

    @property
    def window_bytes(self) -> int:
        """How far the agent may be ahead of what was written down."""
        return self._limits.window_bytes

    @property
    def request_timeout_s(self) -> float:
        """How long the agent may take to answer."""
        return self._limits.request_timeout_s

    @property
    def is_open(self) -> bool:
        """Whether a channel is open now, as far as is known."""
        return self._channel is not None and self._channel.is_open

    @property
    def is_unused(self) -> bool:
        """Whether no channel is open or being opened, and no command waits for one."""
        return not self.is_open and self._opening is None and not self._streams

    async def answers(self) -> bool:
        """Tell whether the agent gives a sign of life within ``request_timeout_s``.

        True also where no command depends on it, and where the channel is cut: that is mended without any help.
        """
        if self._channel is None or not self._streams:
            return True
        try:
            await self._channel.ping()
        except TimedOut:
            return False
        except DevbenchError:
            return True
        return True

    async def channel(self) -> AgentChannel:
        """Return an open channel; callers that come while it is being opened share the attempt.

        Raises:
            AgentUnavailable: It cannot be opened now, or the link was closed.
            ContainerExited: The container does not run.
            Unauthorised: The agent does not know the token.
        """
        if self._channel is not None and self._channel.is_open:
            return self._channel
        if self._closed:
            raise cut("the link to the agent was closed")
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_future()
        opening = self._opening
        if self._keeper is None or self._keeper.done():
            self._keeper = self._tasks.create_task(self._keep(), name="agent link")
        return await asyncio.shield(opening)

    async def start(self, stream: ExecStream) -> None:
        """Start a command and follow it over all channels until `release`.

        Raises:
            AgentUnavailable: No channel can be opened; nothing was sent.
        """
        channel = await self.channel()
        await channel.room()
        self._check_in_use()
        self._prune()
        self._streams[stream.key] = stream
        channel.begin(stream)

    async def find(self, is_it: Callable[[str], bool]) -> Entry | None:
        """Return what the agent holds of a command, None when it does not know it (any more).

        Args:
            is_it: Tells whether a key is the command's.

        Raises:
            AgentUnavailable: No channel can be opened.
        """
        _, entries = await self._listed()
        return _held(entries, is_it)

    async def _listed(self) -> tuple[AgentChannel, tuple[Entry, ...]]:
        """Return what the agent holds, and the channel that told: the next one where it is cut by a take-over."""
        for _ in range(TAKE_OVERS_MAX):
            channel = await self.channel()
            try:
                return channel, await channel.list_execs()
            except (AgentMisbehaved, AgentSilent, AgentGone):
                raise
            except AgentUnavailable as error:
                log.debug("link.asked_again", error=error.message)
        channel = await self.channel()
        return channel, await channel.list_execs()

    async def find_at_last(self, is_it: Callable[[str], bool]) -> Entry | None:
        """As `find`, after every other channel of the agent was ended, this host's too.

        So None means that the command will not come any more either: a START that a dead host had sent and that the
        agent had not read went with its channel. Hosts that live open their channels again and lose nothing, but
        file requests under way fail.
        """
        async with AgentChannel.open(
            await self._dial(),
            token=self._token,
            claim=False,
            instance=self._instance,
            takeover=True,
            limits=self._limits,
        ) as channel:
            return _held(await channel.list_execs(), is_it)

    async def has_room(self) -> bool:
        """Tell whether fewer commands run in the agent, of all hosts, than this one's limit; True if it does not count.

        Raises:
            AgentUnavailable: No channel can be opened.
            TimedOut: The agent did not answer in time.
        """
        channel = await self.channel()
        if self._running_max is None or LIMIT_FEATURE not in channel.agent.features:
            return True
        _, entries = await self._listed()
        return sum([entry.state is RunState.RUNNING for entry in entries]) < self._running_max

    async def adopt(self, stream: ExecStream, handle: int) -> None:
        """Go on with a command that another host started and the agent holds under this handle.

        Raises:
            AgentUnavailable: No channel can be opened.
        """
        channel = await self.channel()
        self._check_in_use()
        self._streams[stream.key] = stream
        channel.resume(stream, handle)

    async def settle(self, judge: Callable[[str], Awaitable[Fate]]) -> None:
        """Do away with what a host before this one left at the agent.

        Args:
            judge: Tells what to do with the command of a key that this host does not follow.

        Raises:
            AgentUnavailable: No channel can be opened.
        """
        channel, entries = await self._listed()
        for entry in entries:
            if entry.key in self._streams or entry.state is RunState.LEFTOVERS:
                continue
            fate = await judge(entry.key)
            if fate is Fate.ACKNOWLEDGE and entry.state is RunState.ENDED:
                channel.resume(ExecStream.only_acknowledge(entry.key, entry.next), entry.handle)
            elif fate is Fate.END:
                log.info("link.unrecorded_command_ended", key=entry.key)
                stream = self._streams[entry.key] = ExecStream.unwanted(entry.key, entry.next)
                channel.resume(stream, entry.handle)

    def forget(self, stream: ExecStream) -> None:
        """Stop following a command without acknowledging anything: another host goes on with it."""
        stream.abandon()
        self._streams.pop(stream.key, None)

    def release(self, stream: ExecStream) -> None:
        """Stop following a command; its ending, if it came, is acknowledged as soon as that can be said."""
        if stream.phase is not Phase.OVER:
            if not stream.end_ack():
                return  # kept until the next channel
            self._acknowledged.append(stream.key)
        self._streams.pop(stream.key, None)

    def retire(self) -> None:
        """Use the present channel as long as it lasts, open no other, and take no more commands."""
        self._closed = True

    async def give_up(self, error: DevbenchError) -> None:
        """The agent is gone for good: its commands are lost, and the link is closed."""
        self._lose_all(error)
        await self.aclose()

    def _check_in_use(self) -> None:
        if self._closed:
            raise cut("the link to the agent was closed")

    async def aclose(self) -> None:
        """Close the channel and do not open another one. Commands run on in the container."""
        self._closed = True
        if self._keeper is not None and self._keeper is not asyncio.current_task():
            if self._channel is not None:
                self._channel.close()  # not cancelled: it still says what waits to be said
            else:
                self._keeper.cancel()
            await asyncio.wait([self._keeper])
        self._streams.clear()

    async def _keep(self) -> None:
        """Hold a channel open; when it is cut, open the next while commands depend on it."""
        loop = asyncio.get_running_loop()
        pause, lost_at = self._limits.reopen_first_s, loop.time()
        try:
            while not self._closed:
                error, served_s = await self._hold()
                if self._closed:
                    return
                if served_s:
                    lost_at = loop.time()
                if served_s > self._limits.reopen_max_s:
                    pause = self._limits.reopen_first_s
                self._prune()
                if not self._streams and self._opening is None:
                    return
                if self._is_final(error, loop.time() - lost_at):
                    self._lose_all(error)
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._limits.reopen_max_s)
        finally:
            self._channel = None
            self._answer(cut("the link to the agent was closed"))
            for stream in self._streams.values():
                stream.unplug()

    async def _hold(self) -> tuple[DevbenchError, float]:
        """Open a channel and serve it until it ends; return why, and how long it was open in seconds."""
        loop = asyncio.get_running_loop()
        opened_at = 0.0
        try:
            stream = await self._dial()
            async with AgentChannel.open(
                stream, token=self._token, claim=self._claim, instance=self._instance, limits=self._limits
            ) as channel:
                await self._restore(channel)
                opened_at, self._claim, self._channel = loop.time(), False, channel
                self._answer(channel)
                error = await channel.wait_closed()
        except DevbenchError as failure:
            error = failure
        except Exception as failure:
            log.exception("link.failed")
            error = AgentUnavailable(f"the channel failed: {failure!r}", hint="see the host's log")
        self._channel = None
        served_s = loop.time() - opened_at if opened_at else 0.0
        lies_before = self._lies if served_s < SERVED_WELL_S else 0
        self._lies = lies_before + 1 if isinstance(error, AgentMisbehaved) else 0
        log.debug("link.cut", error=error.message, opened=bool(opened_at))
        if opened_at:
            return error, served_s
        self._answer(error)
        self._report_cut()
        return error, 0.0

    async def _dial(self) -> ByteStream:
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                return await self._connect()
        except TimeoutError as error:
            raise cut("the agent's stream did not open in time") from error

    async def _restore(self, channel: AgentChannel) -> None:
        """Bring this host's commands onto a new channel."""
        if self._running_max is not None and LIMIT_FEATURE in channel.agent.features:
            channel.post(Limit(running=self._running_max))
        reborn = self._boot_id not in {b"", channel.agent.boot_id}
        self._boot_id = channel.agent.boot_id
        if reborn:
            self._acknowledged.clear()
            self._lose_all(cut("the container's agent was started anew"))
        if not self._streams and not self._acknowledged:
            return
        known = {entry.key: entry for entry in await channel.list_execs()}
        self._acknowledge_again(channel, known)
        for stream in list(self._streams.values()):
            self._restore_one(channel, stream, known.get(stream.key))

    def _prune(self) -> None:
        """Forget commands whose ending was acknowledged late, by the stream itself."""
        for key in [key for key, stream in self._streams.items() if stream.phase is Phase.OVER]:
            del self._streams[key]
            self._acknowledged.append(key)

    def _acknowledge_again(self, channel: AgentChannel, known: dict[str, Entry]) -> None:
        """An acknowledgement that was on its way when the last channel was cut may not have arrived."""
        again = [key for key in self._acknowledged if key in known]
        for key in again:
            entry = known.pop(key)
            channel.resume(ExecStream.only_acknowledge(key, entry.next), entry.handle)
        self._acknowledged = deque(again, maxlen=ACKNOWLEDGED_KEPT)

    def _restore_one(self, channel: AgentChannel, stream: ExecStream, entry: Entry | None) -> None:
        if stream.phase is Phase.OVER:
            self._streams.pop(stream.key, None)
        elif entry is not None:
            channel.resume(stream, entry.handle)
        elif stream.phase is Phase.ENDED:
            self._streams.pop(stream.key, None)
        elif stream.was_started:
            self._streams.pop(stream.key, None)
            stream.lose("the agent does not know it any more")
        else:
            channel.begin(stream)  # START never arrived

    def _is_final(self, error: DevbenchError, seconds: float) -> bool:
        if not self._streams:
            return False
        return (
            isinstance(error, Unauthorised | AgentGone)
            or self._lies >= LIES_MAX
            or seconds > self._limits.reopen_give_up_s
        )

    def _lose_all(self, error: DevbenchError) -> None:
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.lose(error.message)

    def _answer(self, outcome: AgentChannel | DevbenchError) -> None:
        """Tell those who wait for a channel."""
        opening, self._opening = self._opening, None
        if opening is None or opening.done():
            return
        if isinstance(outcome, AgentChannel):
            opening.set_result(outcome)
        else:
            opening.set_exception(outcome)
            opening.exception()  # nobody may be left

    def _report_cut(self) -> None:
        if self._on_cut is not None and self._streams and not self._closed:
            self._tasks.create_task(self._look(self._on_cut), name="look at a container that was cut off")

    async def _look(self, on_cut: Callable[[], Awaitable[None]]) -> None:
        try:
            await on_cut()
        except Exception:
            log.exception("link.look_failed")


def _held(entries: Iterable[Entry], is_it: Callable[[str], bool]) -> Entry | None:
    found = next((entry for entry in entries if is_it(entry.key)), None)
    return None if found is None or found.state is RunState.LEFTOVERS else found
