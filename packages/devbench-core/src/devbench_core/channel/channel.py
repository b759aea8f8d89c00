"""One open channel to an agent: a task that reads, a task that writes, and a table of what is under way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from devbench_core.channel.codec import ID_MAX, FrameDecoder, TooLarge, Unexpected, encode
from devbench_core.channel.codes import Fault, Leave, Way
from devbench_core.channel.exec_messages import (
    EXEC_MESSAGES,
    Cancel,
    Detached,
    Ended,
    Entry,
    EntryList,
    Failed,
    List,
    Resize,
    Signal,
    StdinCredit,
)
from devbench_core.channel.execstream import ExecStream, Phase
from devbench_core.channel.faults import cut, lie, over
from devbench_core.channel.file_messages import Abort
from devbench_core.channel.handshake import Agent, shake_hands
from devbench_core.channel.messages import Error, Goodbye, Message, Ping, Pong, Refused
from devbench_core.channel.outbox import Outbox
from devbench_core.channel.replies import Abandoned, ListReply, Reply
from devbench_core.channel.settings import ChannelLimits
from devbench_core.channel.wire import Malformed
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentMisbehaved, AgentSilent, DevbenchError, TimedOut
from devbench_core.logs import get_logger

log = get_logger(__name__)
T = TypeVar("T")

SMALL_FRAME_BYTES = 65_536
TURN_MESSAGES = 128  # frames handled before other tasks get a turn
TURN_BYTES = 65_536
FAREWELL_S = 0.5  # how long the last frame may take
ABANDONED_MAX = 256  # requests given up whose last frame did not come
CROSSING_MAX = 4096  # frames for commands that are over; a few may cross an ending
RESTARTS_MAX = 16
RESTART_SPREAD = 4096
EXEC_TYPES = frozenset(message.TYPE for message in EXEC_MESSAGES if message not in {List, EntryList})
TOLD_TO_ANY = frozenset({Cancel.TYPE, Signal.TYPE, Resize.TYPE})  # may be sent to the commands of other hosts
LAST_WORDS = (Ended, Failed, Detached, Refused)
EXEC_REPLIES = tuple(m for m in EXEC_MESSAGES if m.WAY is Way.AGENT and m is not EntryList)


class AgentChannel:
    """Requests, commands and their frames on one stream. Made by `AgentChannel.open` only."""

    def __init__(
        self, stream: ByteStream, decoder: FrameDecoder, agent: Agent, limits: ChannelLimits
    ) -> None:
        self.agent = agent
        self.limits = limits
        self._stream = stream
        self._decoder = decoder
        self._outbox = Outbox(limits.queue_bytes, self._overflow)
        self._requests: dict[int, Reply[Any]] = {}
        self._pings: set[asyncio.Future[None]] = set()
        self._execs: dict[int, ExecStream] = {}
        self._left: set[int] = set()
        self._next_request = 0
        self._next_handle = agent.highest_handle + 1
        self._restarts = 0
        self._abandoned = 0
        self._crossing = 0
        self._unsent = b""
        self._last_words: Error | None = None
        self._closed: asyncio.Future[DevbenchError] = asyncio.get_running_loop().create_future()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        stream: ByteStream,
        *,
        token: bytes,
        claim: bool,
        instance: str,
        takeover: bool = False,
        limits: ChannelLimits | None = None,
    ) -> AsyncGenerator[AgentChannel]:
        """Shake hands on a fresh stream and serve the channel while the block runs; the stream is closed after it.

        Args:
            stream: A fresh stream to the agent.
            token: 32 bytes that only the host and the agent know.
            claim: Whether to set the token in an agent that has none.
            instance: Names this host.
            takeover: End all other channels of this agent.
            limits: Bounds.

        Raises:
            Unauthorised: The token is not the agent's.
            AgentUnavailable: The stream ended.
            AgentSilent: The handshake took longer than ``channel.connect_timeout_s``.
            AgentMisbehaved: The other side does not speak the protocol.
        """
        bounds = limits or ChannelLimits()
        decoder = FrameDecoder(Way.AGENT)
        try:
            try:
                async with asyncio.timeout(bounds.connect_timeout_s):
                    agent = await shake_hands(
                        stream, decoder, token=token, claim=claim, instance=instance, takeover=takeover
                    )
            except TimeoutError as error:
                raise AgentSilent(
                    f"the agent did not answer the handshake within {bounds.connect_timeout_s:g} s",
                    hint="channel.connect_timeout_s is the bound; `inspect` tells whether the container still runs",
                ) from error
            channel = cls(stream, decoder, agent, bounds)
            failure: Exception | None = None
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(channel._read()), tasks.create_task(channel._write())]
                try:
                    yield channel
                except Exception as error:  # noqa: BLE001 - raised again below, outside of the group
                    failure = error
                finally:
                    channel.close()
                    for task in running:
                        task.cancel()
            await channel._farewell()
            if failure is not None:
                raise failure
        finally:
            await stream.close()

    @property
    def is_open(self) -> bool:
        """Whether frames can still be exchanged."""
        return not self._closed.done()

    async def wait_closed(self) -> DevbenchError:
        """Wait for the end of the channel, whoever ends it, and return why."""
        return await asyncio.shield(self._closed)

    def close(self) -> None:
        """End the channel; what waits is told so, and the agent is told goodbye."""
        self._fail(cut("the channel to the agent was closed"))

    async def ask(self, make: Callable[[int], Message], reply: Callable[[int], Reply[T]]) -> T:
        """Send a request and return its answer.

        A caller that is cancelled, or that waited ``channel.request_timeout_s`` for the next frame, aborts it.

        Args:
            make: Makes the request for an id.
            reply: Makes what takes the answer.

        Raises:
            FileRefused: A file request failed in the container.
            RequestRefused: The agent refused it.
            AgentUnavailable: The channel broke; what was done is not known.
            AgentMisbehaved: The agent lied; the channel is closed.
            TimedOut: The agent did not answer in time.
        """
        async with self.asking(reply) as (number, waiting):
            self.post(make(number))
            return await waiting.future

    @asynccontextmanager
    async def asking(self, reply: Callable[[int], Reply[T]]) -> AsyncGenerator[tuple[int, Reply[T]]]:
        """Register an answer for the length of a block and bound each of its steps in time."""
        if self._closed.done():
            raise self._closed.result()
        number = self._new_request()
        waiting = reply(number)
        self._requests[number] = waiting
        seconds = self.limits.request_timeout_s
        loop = asyncio.get_running_loop()
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                waiting.progress = lambda: timeout.reschedule(loop.time() + seconds)
                yield number, waiting
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise self._late(seconds) from error
        finally:
            waiting.progress = None
            if self._requests.get(number) is waiting:
                self._abandon(number)

    @asynccontextmanager
    async def opened(self, reply: Callable[[int], Reply[T]]) -> AsyncGenerator[tuple[int, Reply[T]]]:
        """Register an answer as `asking` does, for what has a pace of its own; `step` bounds its waits."""
        if self._closed.done():
            raise self._closed.result()
        number = self._new_request()
        waiting = reply(number)
        self._requests[number] = waiting
        try:
            yield number, waiting
        finally:
            if self._requests.get(number) is waiting:
                self._abandon(number)

    @asynccontextmanager
    async def step(self) -> AsyncGenerator[None]:
        """Bound a wait for the agent by ``channel.request_timeout_s``. Raises `TimedOut`."""
        seconds = self.limits.request_timeout_s
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise self._late(seconds) from error

    async def ping(self) -> None:
        """Return at the agent's next answer to any ping.

        Raises:
            AgentUnavailable: The channel broke.
            TimedOut: Nothing came within ``channel.request_timeout_s``.
        """
        if self._closed.done():
            raise self._closed.result()
        seconds = self.limits.request_timeout_s
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pings.add(answer)
        self.post(Ping(id=0))
        try:
            async with asyncio.timeout(seconds):
                await answer
        except TimeoutError as error:
            raise TimedOut(
                f"the agent gave no sign of life within {seconds:g} s",
                details={"limit": seconds, "setting": "channel.request_timeout_s"},
            ) from error
        finally:
            self._pings.discard(answer)

    async def send_bulk(self, message: Message) -> None:
        """Send a piece of a stream, waiting for room; small frames of others overtake it."""
        await self._outbox.send_bulk(encode(message))

    async def send_frames(self, frames: bytes) -> None:
        """Send encoded frames of a stream together, waiting for room."""
        await self._outbox.send_bulk(frames)

    async def room(self) -> None:
        """Wait until a large frame may be sent."""
        await self._outbox.room()

    def post(self, message: Message) -> None:
        """Send a frame, ahead of all streams when it is small."""
        frame = encode(message)
        if len(frame) > SMALL_FRAME_BYTES:
            self._outbox.post_bulk(frame)
        else:
            self._outbox.post(frame)

    def post_lazily(self, message: Message) -> None:
        """Send a small frame that nobody waits for, with the next one or after a moment."""
        self._outbox.post_lazily(encode(message))

    def post_bulk(self, message: Message) -> None:
        """Send a piece of a stream that has credit for it."""
        self._outbox.post_bulk(encode(message))

    def begin(self, stream: ExecStream) -> None:
        """Start a command; its sink is told what follows."""
        handle = self._next_handle
        self._next_handle = handle + 1 if handle < ID_MAX else 1
        self._follow(stream, handle)
        stream.begin(self, handle)

    def finish(self, handle: int) -> None:
        """Forget a command; what still comes for it has crossed its end."""
        self._execs.pop(handle, None)

    def leave(self, handle: int) -> None:
        """Forget a command; what still comes for it, until its end or until another host follows it, is dropped."""
        self._execs.pop(handle, None)
        self._left.add(handle)

    def _follow(self, stream: ExecStream, handle: int) -> None:
        self._execs[handle] = stream
        self._left.discard(handle)

    def restart(self, stream: ExecStream) -> bool:
        """Begin again under a handle further on: another host used the first one."""
        self._restarts += 1
        if self._restarts > RESTARTS_MAX:
            return False
        self._execs.pop(stream.handle, None)
        self._next_handle = min(ID_MAX, self._next_handle + random.randrange(RESTART_SPREAD))  # noqa: S311
        self.begin(stream)
        return True

    def resume(self, stream: ExecStream, handle: int) -> None:
        """Go on with a command that the agent runs under this handle."""
        self._follow(stream, handle)
        self._next_handle = max(self._next_handle, handle + 1 if handle < ID_MAX else 1)
        stream.resume(self, handle)

    async def list_execs(self) -> tuple[Entry, ...]:
        """Return the commands that the agent holds, running or not yet acknowledged. Raises as `ask`."""
        return await self.ask(lambda number: List(id=number), lambda _: ListReply())

    @staticmethod
    def _late(seconds: float) -> TimedOut:
        return TimedOut(
            f"the agent did not answer within {seconds:g} s",
            hint="raise channel.request_timeout_s, or look whether the container is out of memory",
            details={"limit": seconds, "setting": "channel.request_timeout_s"},
        )

    def _new_request(self) -> int:
        while True:
            self._next_request = self._next_request + 1 if self._next_request < ID_MAX else 1
            if self._next_request not in self._requests:
                return self._next_request

    def _abandon(self, number: int) -> None:
        """Nobody waits any more: abort, and drop what still comes for it."""
        self._requests[number] = Abandoned()
        self._abandoned += 1
        if self._abandoned > ABANDONED_MAX:
            self._fail(cut("the agent leaves requests unanswered"))
        else:
            self.post(Abort(id=number))

    async def _read(self) -> None:
        handled = taken = 0
        try:
            while not self._closed.done():
                while (message := self._decoder.next()) is not None:
                    self._dispatch(message)
                    handled += 1
                    if handled % TURN_MESSAGES == 0:
                        await asyncio.sleep(0)
                data = await self._stream.read()
                if not data:
                    raise cut()
                self._decoder.feed(data)
                taken += len(data)
                if taken >= TURN_BYTES:
                    taken = 0
                    await asyncio.sleep(0)
        except Malformed as error:
            self._fail(lie(str(error)), fault_of(error))
        except AgentMisbehaved as error:
            self._fail(error, Fault.UNEXPECTED)
        except DevbenchError as error:
            self._fail(error)

    async def _write(self) -> None:
        try:
            await self._outbox.drain(self._stream)
        except DevbenchError as error:
            self._fail(error)

    def _dispatch(self, message: Message) -> None:
        if isinstance(message, EXEC_REPLIES) or (isinstance(message, Refused) and message.type in EXEC_TYPES):
            self._to_exec(message)
        elif isinstance(message, Ping):
            self.post(Pong(id=message.id, data=message.data))
        elif isinstance(message, Error | Goodbye):
            raise over(message)
        elif isinstance(message, Pong):
            self._answer_pings(None)
        else:
            self._to_request(message)

    def _to_exec(self, message: Message) -> None:
        stream = self._execs.get(message.id)
        if stream is not None:
            if stream.phase is not Phase.OVER:
                stream.take(message)
            if stream.phase is Phase.OVER:
                self.leave(message.id)
        is_ours = stream is not None or message.id in self._left
        if isinstance(message, LAST_WORDS):
            self._left.discard(message.id)
        if is_ours:
            return
        if isinstance(message, Refused) and message.type in TOLD_TO_ANY:
            crossing = True  # the command may be another host's, whose handles this one does not know
        else:
            crossing = (
                isinstance(message, Refused | Detached | StdinCredit) and message.id < self._next_handle
            )
        self._crossing += 1
        if not crossing or self._crossing > CROSSING_MAX:
            raise lie(f"{type(message).__name__} for command {message.id}, which is not running")

    def _to_request(self, message: Message) -> None:
        waiting = self._requests.get(message.id)
        if waiting is None:
            raise lie(f"{type(message).__name__} for request {message.id}, which is not open")
        if waiting.take(message):
            del self._requests[message.id]
            if isinstance(waiting, Abandoned):
                self._abandoned -= 1

    def _answer_pings(self, error: DevbenchError | None) -> None:
        for answer in self._pings:
            if answer.done():
                continue
            if error is None:
                answer.set_result(None)
            else:
                answer.set_exception(error)

    def _overflow(self) -> None:
        self._fail(cut("the agent does not read what it is sent"))

    def _fail(self, error: DevbenchError, fault: Fault | None = None) -> None:
        """End the channel once: everybody who waits on it is told why."""
        if self._closed.done():
            return
        if isinstance(error, AgentMisbehaved):
            log.warning("channel.agent_misbehaved", error=error.message)
        self._last_words = Error(code=fault, message=error.message) if fault is not None else None
        self._closed.set_result(error)
        self._unsent = self._outbox.close()
        for waiting in self._requests.values():
            waiting.fail(error)
        self._requests.clear()
        self._answer_pings(error)
        for stream in self._execs.values():
            stream.unplug()
        self._execs.clear()

    async def _farewell(self) -> None:
        """Say what waited for company, and why it ends or goodbye, if the stream still takes it."""
        words = self._last_words or Goodbye(reason=Leave.CLOSING)
        with suppress(DevbenchError, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._stream.write(self._unsent + encode(words))


def fault_of(error: Malformed) -> Fault:
    """Return the code that tells the agent what was wrong."""
    if isinstance(error, TooLarge):
        return Fault.TOO_LARGE
    return Fault.UNEXPECTED if isinstance(error, Unexpected) else Fault.MALFORMED
