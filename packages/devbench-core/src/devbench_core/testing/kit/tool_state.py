"""What the tools of a bench can change, as far as anybody can see it."""

from __future__ import annotations

from devbench_core.bench import Bench
from devbench_core.model.container import Status
from devbench_core.values import frozen


@frozen
class State:
    """What is there at one moment.

    Attributes:
        living: Containers that run.
        commands: Commands and shells that were ever started and are known.
        files: Files of running containers, with what tells a change.
    """

    living: frozenset[str]
    commands: frozenset[str]
    files: dict[tuple[str, str], str]

    def changes_to(self, later: State) -> list[str]:
        """Say what is different later."""
        changed = [
            f"file {path!r} changed"
            for (name, path), mark in later.files.items()
            if self.files.get((name, path), mark) != mark
        ]
        return [*self.taken_until(later), *self.made_until(later), *changed]

    def made_until(self, later: State) -> list[str]:
        """Say what is there later that was not."""
        return [
            *(f"container {name} is new" for name in sorted(later.living - self.living)),
            *(f"command {name} is new" for name in sorted(later.commands - self.commands)),
            *(f"file {path!r} is new" for _, path in sorted(later.files.keys() - self.files.keys())),
        ]

    def taken_until(self, later: State) -> list[str]:
        """Say what is not there any more later."""
        return [
            *(f"container {name} ended" for name in sorted(self.living - later.living)),
            *(
                f"file {path!r} is gone"
                for name, path in sorted(self.files.keys() - later.files.keys())
                if name in later.living
            ),
        ]


async def state_of(bench: Bench) -> State:
    """Look at all containers of the local caller, their commands and files."""
    page = await bench.containers.list(limit=1000)
    living = [container.id for container in page.containers if container.status is Status.RUNNING]
    commands: set[str] = set()
    files: dict[tuple[str, str], str] = {}
    for name in living:
        commands |= {command.id for command in await bench.execs.list(name)}
        commands |= {shell.id for shell in await bench.shells.list(name, ended=True)}
        cursor, more = "", True
        while more:
            found = await bench.files.find(name, after=cursor)
            files.update({(name, str(entry.path)): entry.etag for entry in found.entries})
            cursor, more = found.cursor, bool(found.cursor)
    return State(living=frozenset(living), commands=frozenset(commands), files=files)
