"""A host that reaches the store by one cable alone, in a network namespace of its own; needs root."""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets
import socket
import subprocess
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs

COMMAND_S = 10.0
NETWORK_NAMESPACE = 0x40000000
PIECE = 65_536


@attrs.frozen(kw_only=True)
class Link:
    """A pair of connected interfaces, one of them in the namespace.

    Attributes:
        namespace: Its file.
        device: The end of the cable on this side.
        address: The address on this side, in dotted numbers.
        network: Of both ends.
    """

    namespace: Path
    device: str
    address: str
    network: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a program there; it stays the same process, among the same files."""
        return ("nsenter", f"--net={self.namespace}")

    def set_up(self, up: bool) -> None:
        """Plug the cable in, or pull it: then what is sent is lost, and nobody is told."""
        _ip("link", "set", self.device, "up" if up else "down")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=COMMAND_S, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


@asynccontextmanager
async def link(port: int) -> AsyncGenerator[Link]:
    """Make one, and forward a port of this machine's loopback to that of the namespace."""
    name = f"dvb{secrets.token_hex(4)}"
    third, fourth = secrets.randbelow(256), secrets.randbelow(64) * 4
    network = f"198.19.{third}.{fourth}"
    here, there = f"198.19.{third}.{fourth + 1}", f"198.19.{third}.{fourth + 2}"
    made = Link(namespace=Path("/run/netns") / name, device=f"{name}a", address=here, network=f"{network}/30")
    await asyncio.to_thread(_ip, "netns", "add", name)
    try:
        for words in (
            f"link add {name}a type veth peer name {name}b netns {name}",
            f"addr add {here}/30 dev {name}a",
            f"link set {name}a up",
            f"-n {name} addr add {there}/30 dev {name}b",
            f"-n {name} link set {name}b up",
            f"-n {name} link set lo up",
        ):
            await asyncio.to_thread(_ip, *words.split())
        async with _forwarded(made.namespace, port):
            yield made
    finally:
        await asyncio.to_thread(_ip, "netns", "delete", name)


@asynccontextmanager
async def _forwarded(namespace: Path, port: int) -> AsyncGenerator[None]:
    """A socket belongs to the namespace in which it is made, and may be used from any."""

    def enter() -> None:
        file = os.open(namespace, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(file, NETWORK_NAMESPACE):
                raise OSError(ctypes.get_errno(), "setns", str(namespace))
        finally:
            os.close(file)

    with ThreadPoolExecutor(1, initializer=enter) as inside:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            loop = asyncio.get_running_loop()
            there = await loop.run_in_executor(inside, socket.socket)
            there.setblocking(False)
            try:
                await loop.sock_connect(there, ("127.0.0.1", port))
            except OSError:
                there.close()
                writer.transport.abort()
                return
            up, down = await asyncio.open_connection(sock=there)
            await asyncio.wait(
                [asyncio.create_task(pump(reader, down)), asyncio.create_task(pump(up, writer))]
            )

        async with await asyncio.start_server(serve, "127.0.0.1", port):
            yield


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on what comes, to its end."""
    with suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
    with suppress(OSError):
        writer.close()
