"""What is tried: by kind of contract, the sound implementations and the faulty ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import attrs

from devbench_core.clock import SystemClock
from devbench_core.memory.lock import LocalLock
from devbench_core.memory.store import MemoryStore
from devbench_core.testing.check.run import SUITES
from devbench_core.testing.fake import FakeScanner
from mutations import commands, files, lives, locks, runtimes, scanners, seeding, stores, tools

SOUND = "none at all"
"""No fault: what the others differ from must keep the whole contract."""

HERE = Path(__file__).parent


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of contract.

    Attributes:
        sound: Makes an implementation without fault.
        faults: Make the faulty ones, by the sentences that say what is wrong.
        suite: The kit bound to them.
        deadline_s: Of a clause: a faulty implementation may wait for ever.
        lasts: Whether it is the same one each time it is opened.
        seeded: Has a fault while a block lasts, where it is not an implementation of its own.
        enough: Clauses that fail, and the rest need not be tried.
    """

    sound: Callable[..., Any]
    faults: Mapping[str, Callable[..., Any]]
    suite: Path
    deadline_s: float = 10
    lasts: bool = False
    seeded: Callable[[Any], AbstractContextManager[None]] | None = None
    enough: int = 3


def _host(faults: Mapping[str, seeding.Patch], suite: str) -> Kind:
    """Return a kind whose faults are seeded into core beneath a host on fakes; one of its suites takes a while."""
    return Kind(sound=seeding.nothing, faults=faults, suite=HERE / suite, seeded=seeding.seeded, enough=1)


IN_DETAIL = {
    "store": Kind(sound=MemoryStore, faults=stores.FAULTS, suite=SUITES / "suite_store.py"),
    "lock": Kind(
        sound=lambda: LocalLock(SystemClock()),
        faults=locks.FAULTS,
        suite=SUITES / "suite_lock.py",
        deadline_s=3,  # several of them are waited for
        lasts=True,
    ),
    "runtime": Kind(sound=runtimes.Cut, faults=runtimes.FAULTS, suite=HERE / "suite_local.py", deadline_s=10),
    "scanner": Kind(sound=FakeScanner, faults=scanners.FAULTS, suite=HERE / "suite_scanner.py"),
    "tool": Kind(sound=lambda: tools.SOUND, faults=tools.FAULTS, suite=HERE / "suite_tool.py"),
    "commands": _host(commands.FAULTS, "suite_commands.py"),
    "files": _host(files.FAULTS, "suite_files.py"),
    "host": _host(lives.FAULTS, "suite_host.py"),
}
KINDS: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    kind: each.faults for kind, each in IN_DETAIL.items()
}
