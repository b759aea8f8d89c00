"""Why a shell ended, told once: by the write that notes its end."""

from __future__ import annotations

from devbench_core.model.caller import Caller
from devbench_core.model.shell import Shell
from devbench_core.shells.context import ShellContext
from devbench_core.values import frozen


@frozen
class Closing:
    """Why.

    Attributes:
        why: ``closed`` by a caller, ``idle`` for too long, or ``ended`` by itself or with its container.
        caller: Who closed it.
    """

    why: str
    caller: Caller | None = None

    def tell(self, context: ShellContext, shell: Shell) -> None:
        """Tell the observers, if they were told that it was opened: not of one that never answered."""
        if shell.program:
            context.tell("shell.closed", shell, self.caller, {"why": self.why})


ENDED_ALONE = Closing(why="ended")
