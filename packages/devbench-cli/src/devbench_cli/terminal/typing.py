"""From our stdin to a command's, in order, and no more ahead of it than a bound."""

from __future__ import annotations

import asyncio
from base64 import b64encode

from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.terminal.keys import DetachKeys
from devbench_cli.terminal.local import typed
from devbench_core.errors import DevbenchError
from devbench_core.tools.execs import ExecInputOutput

AHEAD_MAX_BYTES = 64 * 1024
"""What is read from our stdin before the host has taken it."""
NOT_READ = {"ended", "closed"}
"""Why a command takes no more of what is typed: its output tells the rest."""
SEND_WAIT_S = 20.0
"""How long one call waits for a command that does not read; then the next one waits."""


class Typist:
    """Reads our stdin while what was read before is on its way.

    Args:
        backend: Where the command is.
        exec_id: Which.
        keys: What leaves it.
    """

    def __init__(self, backend: Backend, exec_id: str, keys: DetachKeys) -> None:
        self._backend = backend
        self._exec_id = exec_id
        self._keys = keys
        self._ahead = bytearray()
        self._over = False
        self._changed = asyncio.Event()
        self.left = asyncio.Event()  # the keys that leave were typed

    async def run(self) -> None:
        """Pass everything on, then end of file; return when that is said, or the command is left or takes no more."""
        reading = asyncio.create_task(self._read())
        try:
            await self._send()
        except DevbenchError as error:
            if error.details.get("reason") not in NOT_READ:
                raise
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        while not self._over:
            if len(self._ahead) >= AHEAD_MAX_BYTES:
                await self._change()
                continue
            data = await typed()
            keys, left = self._keys.filter(data)
            self._ahead += keys
            self._over = left or not data
            self._changed.set()
            if left:
                self.left.set()

    async def _send(self) -> None:
        while self._ahead or not self.left.is_set():
            if not self._ahead and not self._over:
                await self._change()
                continue
            taken = await self._give(bytes(self._ahead), eof=self._over and not self.left.is_set())
            del self._ahead[: taken.accepted_bytes]
            self._changed.set()
            if taken.eof:
                return

    async def _give(self, data: bytes, *, eof: bool) -> ExecInputOutput:
        return await ask(
            self._backend,
            ExecInputOutput,
            "exec_input",
            exec_id=self._exec_id,
            base64=b64encode(data).decode("ascii"),
            eof=eof,
            wait_s=SEND_WAIT_S,
        )

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
