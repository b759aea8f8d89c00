"""Faults of what a whole host does with its containers."""

from __future__ import annotations

import pytest

from devbench_core.compose.registry import Registry
from devbench_core.containers import spawn
from devbench_core.model.event import Event
from mutations.seeding import Patch, always, fault

FAULTS: dict[str, Patch] = {}
"""By the sentence that says what is wrong."""


@fault(FAULTS, "an event is told twice")
def _twice(patches: pytest.MonkeyPatch) -> None:
    emit = Registry.emit

    def changed(registry: Registry, event: Event) -> None:
        emit(registry, event)
        emit(registry, event)

    patches.setattr(Registry, "emit", changed)


@fault(FAULTS, "a spawn's key makes a container for every caller")
def _spawned_again(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(spawn, "key_of", always(None))
