"""The use case of commands."""

from __future__ import annotations

from devbench_core.execs.context import ExecContext
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import Container, ContainerEnding
from devbench_core.model.execution import Exec, ExecRequest, Page


class Execs:
    """Run commands and follow them."""

    def __init__(self, context: ExecContext) -> None:
        self._context = context

    async def start(
        self, container: str, request: ExecRequest, *, open_stdin: bool = False, caller: Caller = LOCAL
    ) -> Exec:
        """Start a command."""
        raise NotImplementedError

    async def poll(
        self,
        exec_id: str,
        *,
        after: int = 0,
        max_bytes: int | None = None,
        wait_s: float = 0.0,
        caller: Caller = LOCAL,
    ) -> Page:
        """Return output after a cursor."""
        raise NotImplementedError

    async def wait(self, exec_id: str, *, wait_s: float, caller: Caller = LOCAL) -> Exec:
        """Wait for the ending."""
        raise NotImplementedError

    async def cancel(self, exec_id: str, *, caller: Caller = LOCAL) -> Exec:
        """End the whole process tree."""
        raise NotImplementedError

    async def list(self, container: str, *, caller: Caller = LOCAL) -> tuple[Exec, ...]:
        """Return the commands of a container."""
        raise NotImplementedError

    async def get(self, exec_id: str, *, caller: Caller = LOCAL) -> Exec:
        """Return the record of a command."""
        raise NotImplementedError

    async def running(self, container: Container) -> tuple[Exec, ...]:
        """Return the living commands of a container."""
        raise NotImplementedError

    def is_busy(self, container_id: str) -> bool:
        """Tell whether a command of this host runs in a container."""
        raise NotImplementedError

    async def recover(self, container: Container) -> None:
        """Adopt the commands of dead hosts."""
        raise NotImplementedError

    async def end_all(self, container: Container, ending: ContainerEnding) -> None:
        """Give every command of an ended container its ending."""
        raise NotImplementedError

    async def forget(self, container_id: str) -> None:
        """Remove all records and journals of a container's commands."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Write down what is in memory and stop."""
        raise NotImplementedError
