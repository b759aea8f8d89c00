"""What the parts of the shells use case share."""

from __future__ import annotations

import asyncio

import attrs

from devbench_core.clock import Clock
from devbench_core.contracts.store import Store
from devbench_core.errors import Vetoed
from devbench_core.execs import Execs
from devbench_core.execs.context import Ask, Emit, Resolve, Review
from devbench_core.model.caller import Caller
from devbench_core.model.event import Event, Request
from devbench_core.model.shell import Shell
from devbench_core.shells.settings import ShellLimits

GRACES = 4  # from each step of ending a run to the next


@attrs.frozen(kw_only=True, eq=False)
class ShellContext:
    """The collaborators of `Shells`, put together once by the wiring.

    Attributes:
        store: Keeps records.
        clock: Where time comes from.
        limits: Bounds.
        tasks: Owns what follows the runs; must outlive the use case's `aclose`.
        execs: A shell is a command.
        resolve: Returns a *living* container and notes the use; raises as `ExecContext.resolve` does.
        find: Returns a container, living or ended.
        review: Asks the reviewers.
        emit: Tells the observers; never raises.
        ask: Has another host do what it alone can.
    """

    store: Store
    clock: Clock
    limits: ShellLimits
    tasks: asyncio.TaskGroup
    execs: Execs
    resolve: Resolve
    find: Resolve
    review: Review
    emit: Emit
    ask: Ask

    @property
    def ending_within_s(self) -> float:
        """How long it takes at most, with an agent that answers, until a run that shall end has ended.

        That is all the graces, one more when the shell has not begun with the script, and the end of the shell.
        """
        return GRACES * self.limits.interrupt_grace_s + self.execs.ending_within_s

    def check(self, operation: str, caller: Caller, container_id: str, subject: object) -> None:
        """Ask the reviewers.

        Raises:
            Vetoed: One of them refuses.
        """
        veto = self.review(
            Request(operation=operation, caller=caller, container_id=container_id, subject=subject)
        )
        if veto is not None:
            raise Vetoed(
                f"{operation} was refused by {veto.clause}: {veto.reason}", details={"clause": veto.clause}
            )

    def tell(self, name: str, shell: Shell, caller: Caller | None, fields: dict[str, object]) -> None:
        """Tell the observers."""
        self.emit(
            Event(
                name=name,
                at=self.clock.now(),
                caller=caller,
                container_id=shell.container_id,
                exec_id=shell.id,
                fields=fields,
            )
        )


def owner(shell: Shell) -> Caller:
    """Return in whose name devbench itself looks after a shell."""
    return Caller(tenant=shell.tenant, subject=shell.created_by)
