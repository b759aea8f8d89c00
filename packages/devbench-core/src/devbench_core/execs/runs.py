"""The commands that this host follows, and the last ones that ended, kept for quick answers."""

from __future__ import annotations

from collections import OrderedDict

from devbench_core.execs.run import Run
from devbench_core.execs.settings import ExecLimits


class Runs:
    """Commands by id. What has ended is kept within ``execs.ended_memory`` and ``execs.ended_memory_bytes``."""

    def __init__(self, limits: ExecLimits) -> None:
        self._limits = limits
        self._followed: dict[str, Run] = {}
        self._ended: OrderedDict[str, Run] = OrderedDict()
        self._ended_bytes = 0

    def add(self, run: Run) -> None:
        """Take a command that is followed from now on."""
        self._followed[run.record.id] = run

    def followed(self, exec_id: str) -> Run | None:
        """Return a command that this host follows."""
        return self._followed.get(exec_id)

    def known(self, exec_id: str) -> Run | None:
        """Return a command that this host follows, or remembers."""
        return self._followed.get(exec_id) or self._ended.get(exec_id)

    def all(self) -> list[Run]:
        """Return those that are followed."""
        return list(self._followed.values())

    def of_container(self, container_id: str) -> list[Run]:
        """Return those of a container that are followed."""
        return [run for run in self._followed.values() if run.record.container_id == container_id]

    def remembered(self) -> list[str]:
        """Return the ids of the ended ones."""
        return list(self._ended)

    def over(self, run: Run) -> None:
        """A command is followed no longer: remember it if it has ended."""
        self._followed.pop(run.record.id, None)
        if run.record.ending is None:
            return
        self._ended[run.record.id] = run
        self._ended_bytes += run.journal.memory_bytes
        limits = self._limits
        while self._ended and (
            len(self._ended) > limits.ended_memory or self._ended_bytes > limits.ended_memory_bytes
        ):
            self.drop(next(iter(self._ended)))

    def drop(self, exec_id: str) -> None:
        """Remember an ended command no longer."""
        run = self._ended.pop(exec_id, None)
        if run is not None:
            self._ended_bytes -= run.journal.memory_bytes
