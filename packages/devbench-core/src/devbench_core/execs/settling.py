"""Does away with what killed hosts left at the agents of containers."""

from __future__ import annotations

from devbench_core.channel.link import Fate
from devbench_core.errors import AgentGone, AgentUnavailable, ContainerExited, DevbenchError
from devbench_core.execs import records
from devbench_core.execs.context import ExecContext
from devbench_core.execs.keys import exec_of, starter_of
from devbench_core.logs import get_logger
from devbench_core.model.container import Container

log = get_logger(__name__)


class Settler:
    """Judges the commands that an agent holds and that this host does not follow."""

    def __init__(self, context: ExecContext) -> None:
        self._context = context
        self._settled: set[str] = set()

    def settle_once(self, container: Container) -> None:
        """Settle in the background a container that this host uses for the first time, whoever it belongs to."""
        if container.id not in self._settled:
            self._settled.add(container.id)
            self._context.tasks.create_task(self.settle(container), name=f"settle {container.id}")

    def forget(self, container_id: str) -> None:
        """A container is gone for good."""
        self._settled.discard(container_id)

    async def settle(self, container: Container) -> None:
        """Do away with what killed hosts left at a container's agent, and at those of other users."""
        for user in ("", *container.spec.policy.exec_users):
            await self._settle(container, user)

    async def _settle(self, container: Container, user: str) -> None:
        try:
            await (await self._context.link(container, user)).settle(self._fate)
        except AgentGone:
            return  # nobody runs anything as this user
        except (AgentUnavailable, ContainerExited) as error:
            log.debug("exec.settling_postponed", container=container.id, error=error.message)
        except DevbenchError as error:
            log.warning("exec.settling_failed", container=container.id, error=error.message)
        except Exception:  # in nobody's call: it must not end the host
            log.exception("exec.settling_failed", container=container.id)

    async def _fate(self, key: str) -> Fate:
        """Judge a command at the agent: its record is written beside its START, so it may have none.

        The starter is asked for first: once it is dead, no record can come any more.
        """
        starter = starter_of(key)
        may_be_recorded = not starter or await self._context.alive(starter)
        found = await self._context.store.get(records.KIND, exec_of(key))
        if found is not None:
            return Fate.ACKNOWLEDGE if records.read(found).ending is not None else Fate.KEEP
        return Fate.KEEP if may_be_recorded else Fate.END
