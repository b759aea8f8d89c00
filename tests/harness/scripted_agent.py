"""An agent in a few lines of Python that says what a test tells it to say, true or not."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

from devbench_core.channel.codec import FrameDecoder, encode
from devbench_core.channel.codes import Method, Way
from devbench_core.channel.handshake import MAGIC, agent_proof, host_proof
from devbench_core.channel.messages import Auth, Error, Goodbye, Hello, Message, Welcome
from devbench_core.errors import AgentUnavailable

M = TypeVar("M", bound=Message)
TOKEN = b"t" * 32
BOOT_ID = b"b" * 16


class Pipe:
    """One end of a duplex stream in memory."""

    def __init__(self, incoming: asyncio.Queue[bytes], outgoing: asyncio.Queue[bytes]) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self.closed = False

    async def read(self) -> bytes:
        """Return the next bytes."""
        return b"" if self.closed else await self._incoming.get()

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        if self.closed:
            raise AgentUnavailable("closed")
        await self._outgoing.put(data)

    async def close(self) -> None:
        """End both directions."""
        if not self.closed:
            self.closed = True
            self._outgoing.put_nowait(b"")
            self._incoming.put_nowait(b"")


def duplex() -> tuple[Pipe, Pipe]:
    """Return two connected ends."""
    one: asyncio.Queue[bytes] = asyncio.Queue()
    other: asyncio.Queue[bytes] = asyncio.Queue()
    return Pipe(one, other), Pipe(other, one)


class ScriptedAgent:
    """The agent's end of one channel."""

    def __init__(self, stream: Pipe, *, token: bytes = TOKEN, claimed: bool = True) -> None:
        self.stream = stream
        self.token = token
        self.claimed = claimed
        self.highest_handle = 0
        self.last_words: Message | None = None
        self._decoder = FrameDecoder(Way.HOST)
        self._decoder.early = False

    async def send(self, *messages: Message) -> None:
        """Send frames."""
        await self.stream.write(b"".join(encode(message) for message in messages))

    async def receive(self) -> Message:
        """Return the host's next frame."""
        while (message := self._decoder.next()) is None:
            data = await self.stream.read()
            if not data:
                raise AgentUnavailable("the host closed the stream")
            self._decoder.feed(data)
        if isinstance(message, Error | Goodbye):
            self.last_words = message
        return message

    async def receive_a(self, wanted: type[M]) -> M:
        """Return the host's next frame of a type, passing over others."""
        while True:
            message = await self.receive()
            if isinstance(message, wanted):
                return message

    async def shake_hands(self) -> Auth:
        """Do the agent's part of the handshake honestly."""
        nonce = secrets.token_bytes(32)
        await self.send(self.hello(nonce))
        auth = await self.receive()
        assert isinstance(auth, Auth)
        if auth.method is Method.CLAIM:
            self.token = auth.secret
        else:
            assert auth.secret == host_proof(self.token, nonce, auth.nonce)
        await self.send(self.welcome(agent_proof(self.token, auth.nonce, nonce)))
        return auth

    def hello(self, nonce: bytes, *, magic: bytes = MAGIC, major: int = 1, minor: int = 0) -> Hello:
        """Return a HELLO."""
        return Hello(
            magic=magic,
            major=major,
            minor=minor,
            boot_id=BOOT_ID,
            nonce=nonce,
            claimed=self.claimed,
            max_payload=262_144,
        )

    def welcome(self, proof: bytes) -> Welcome:
        """Return a WELCOME."""
        return Welcome(
            proof=proof,
            pid=1,
            uid=0,
            gid=0,
            running=0,
            ended=0,
            highest_handle=self.highest_handle,
            features=("openat2", "unheard-of"),
        )


Script = Callable[[ScriptedAgent], Awaitable[None]]
