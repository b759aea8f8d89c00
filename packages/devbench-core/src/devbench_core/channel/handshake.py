"""Who may talk to whom: the host claims the agent or proves that it knows the token, and the agent proves the same."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TypeVar

from devbench_core.channel.codec import FrameDecoder, encode
from devbench_core.channel.codes import Method
from devbench_core.channel.faults import cut, lie, over
from devbench_core.channel.messages import Auth, Error, Goodbye, Hello, Message, Welcome
from devbench_core.channel.wire import Malformed
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentMisbehaved, Unauthorised, ValidationFailed
from devbench_core.values import frozen

M = TypeVar("M", bound=Message)
MAGIC = b"DVBA"
VERSION = (1, 0)
NONCE_BYTES = 32
TOKEN_BYTES = 32
INSTANCE_MAX_BYTES = 128
TAKEOVER = 1
HOST_LABEL = b"devbench host v1"
AGENT_LABEL = b"devbench agent v1"


@frozen
class Agent:
    """Who answered.

    Attributes:
        boot_id: Of the agent's present life; handles mean nothing in another one.
        version: Of its protocol.
        features: What it can do beyond that.
        pid: Its process id as it sees it.
        uid: Its user.
        gid: Its group.
        highest_handle: Of any command that it ever accepted.
    """

    boot_id: bytes
    version: tuple[int, int]
    features: frozenset[str]
    pid: int
    uid: int
    gid: int
    highest_handle: int


def host_proof(token: bytes, agent_nonce: bytes, host_nonce: bytes) -> bytes:
    """Return what a host shows instead of the token."""
    return hmac.digest(token, HOST_LABEL + agent_nonce + host_nonce, hashlib.sha256)


def agent_proof(token: bytes, host_nonce: bytes, agent_nonce: bytes) -> bytes:
    """Return what an agent shows instead of the token."""
    return hmac.digest(token, AGENT_LABEL + host_nonce + agent_nonce, hashlib.sha256)


async def shake_hands(
    stream: ByteStream, decoder: FrameDecoder, *, token: bytes, claim: bool, instance: str, takeover: bool
) -> Agent:
    """Open a channel on a fresh stream; afterwards the decoder takes frames of full size.

    Args:
        stream: Nothing was read from it yet.
        decoder: Fed with what comes; keeps what follows the handshake.
        token: 32 bytes.
        claim: Whether the token may be set in an agent that has none; an agent that has one is never given it.
        instance: Names this host to the agent.
        takeover: Whether all other channels of the agent are to be closed.

    Raises:
        Unauthorised: The agent does not know this token, has none and may not be claimed, or cannot prove itself.
        AgentUnavailable: The stream ended, or the agent is busy.
        AgentMisbehaved: What came is not the protocol, or another major version of it.
    """
    if len(token) != TOKEN_BYTES:
        raise ValidationFailed("token", f"must be {TOKEN_BYTES} bytes", limit=TOKEN_BYTES)
    hello = await _receive(stream, decoder, Hello)
    _check_hello(hello, may_claim=claim)
    nonce = secrets.token_bytes(NONCE_BYTES)
    proof = host_proof(token, hello.nonce, nonce)
    auth = Auth(
        major=VERSION[0],
        minor=VERSION[1],
        instance=instance[:INSTANCE_MAX_BYTES],
        flags=TAKEOVER if takeover else 0,
        nonce=nonce,
        method=Method.PROVE if hello.claimed else Method.CLAIM,
        secret=proof if hello.claimed else token,
    )
    await stream.write(encode(auth))
    welcome = await _receive(stream, decoder, Welcome)
    if not hmac.compare_digest(welcome.proof, agent_proof(token, nonce, hello.nonce)):
        raise Unauthorised(
            "what answers in the container does not know the token",
            hint="something in it took the agent's place: kill it",
        )
    decoder.early = False
    return Agent(
        boot_id=hello.boot_id,
        version=(hello.major, hello.minor),
        features=frozenset(welcome.features),
        pid=welcome.pid,
        uid=welcome.uid,
        gid=welcome.gid,
        highest_handle=welcome.highest_handle,
    )


def _check_hello(hello: Hello, *, may_claim: bool) -> None:
    if hello.magic != MAGIC:
        raise lie("it does not begin with HELLO's magic")
    if hello.major != VERSION[0]:
        raise AgentMisbehaved(
            f"the agent speaks version {hello.major}.{hello.minor} of the protocol, this host {VERSION[0]}.x",
            hint="use a host of the container's release, or spawn the container anew",
        )
    if not hello.claimed and not may_claim:
        raise Unauthorised(
            "the agent has no token yet: it is not the one that was claimed", hint="spawn the container anew"
        )


async def _receive(stream: ByteStream, decoder: FrameDecoder, wanted: type[M]) -> M:
    """Return the next frame, which must be of the wanted type."""
    message = await _next(stream, decoder)
    if isinstance(message, wanted):
        return message
    if isinstance(message, Error | Goodbye):
        raise over(message)
    raise lie(f"it did not send {wanted.__name__.upper()} when it was due")


async def _next(stream: ByteStream, decoder: FrameDecoder) -> Message:
    while True:
        try:
            message = decoder.next()
        except Malformed as error:
            raise lie(str(error)) from error
        if message is not None:
            return message
        data = await stream.read()
        if not data:
            raise cut("the agent closed the stream during the handshake")
        decoder.feed(data)
