"""What an author says of a runtime: the kit holds it to that, and skips the rest by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, TypeVar

import attrs

import devbench_agent
from devbench_core.contracts.powers import (
    SupportsCommit,
    SupportsPause,
    SupportsPull,
    SupportsStats,
    SupportsUsers,
)
from devbench_core.model.policy import ON_REQUEST, Clause, Network, Policy
from devbench_core.testing.kit.clauses import owner_of
from devbench_core.values import frozen

T = TypeVar("T")
POWERS: tuple[type[Any], ...] = (SupportsCommit, SupportsPause, SupportsPull, SupportsStats, SupportsUsers)
"""The further powers that a runtime may have."""
_NEEDS = "__devbench_needs__"


class Trait(StrEnum):
    """What no capability names, and what yet not every runtime has."""

    OWN_ROOT = (
        "own_root"  # a container has a root and processes of its own; only a stand-in for tests has none
    )
    EXIT_CODES = "exit_codes"  # the engine tells the exit code of a first process
    SEEN_PROCESSES = (
        "seen_processes"  # this machine's /proc shows the processes; not those of a virtual machine
    )
    SHELL = "shell"  # the image has a shell and the usual small tools; for the suites of hosts


@frozen
class Claims:
    """What a runtime is claimed to do, on the machine and the engine that it is tested on.

    Attributes:
        enforces: The clauses of a policy that hold.
        images: Whether it has images of its own that can be pulled by name.
        architectures: What the agent must be built for; this machine's by default.
        powers: Those of `POWERS` that it has.
        traits: What is true of it beside that.
    """

    enforces: frozenset[Clause]
    images: bool
    architectures: tuple[str, ...] = attrs.field(factory=lambda: (devbench_agent.native(),))
    powers: frozenset[type[Any]] = frozenset()
    traits: frozenset[Trait] = frozenset(Trait)

    @property
    def has_any(self) -> bool:
        """Whether anything is claimed at all."""
        return bool(self.enforces or self.images or self.powers or self.traits)

    def has(self, what: Clause | Trait | type[Any]) -> bool:
        """Tell whether one thing is claimed."""
        return what in self.enforces or what in self.traits or what in self.powers

    @property
    def tolerated(self) -> list[str]:
        """The clauses whose absence a host must tolerate to use it: those that hold back, and are not claimed."""
        return sorted(str(clause) for clause in frozenset(Clause) - ON_REQUEST - self.enforces)

    def policy(self) -> Policy:
        """Return the default policy without what is not claimed: a host refuses that before a runtime sees it."""
        usual, has = Policy(), self.has
        return Policy(
            read_only_root=has(Clause.READ_ONLY_ROOT),
            no_new_privileges=has(Clause.NO_NEW_PRIVILEGES),
            seccomp=has(Clause.SECCOMP),
            memory_bytes=usual.memory_bytes if has(Clause.MEMORY) else None,
            cpus=usual.cpus if has(Clause.CPU) else None,
            pids=usual.pids if has(Clause.PIDS) else None,
            network=Network.NONE if has(Clause.NETWORK_NONE) else Network.ENGINE,
        )


def needs(*what: Clause | Trait | type[Any]) -> Callable[[T], T]:
    """Mark a test, or all of a class, as of what must be claimed; otherwise it is skipped, by name."""

    def mark(test: T) -> T:
        setattr(test, _NEEDS, what)
        return test

    return mark


def needed_by(test: object, cls: type[Any] | None = None) -> tuple[Clause | Trait | type[Any], ...]:
    """Return what a test, and the class that has it with those that it extends, needs to be claimed."""
    needed: list[Clause | Trait | type[Any]] = []
    for part in (test, *getattr(owner_of(test, cls), "__mro__", ())):
        needed += vars(part).get(_NEEDS, ())
    return tuple(dict.fromkeys(needed))


def names_of(what: Iterable[Clause | Trait | type[Any]]) -> list[str]:
    """Return what an author calls these."""
    return [getattr(each, "__name__", str(each)) for each in what]
