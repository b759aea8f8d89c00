"""How a plugin offers an implementation: a name, a settings model, and a way to open it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
from pydantic import BaseModel

from devbench_core.clock import Clock
from devbench_core.values import frozen

if TYPE_CHECKING:
    from devbench_core.contracts.store_powers import Maintenance

__all__ = ["Diagnosis", "OpenContext", "Provider", "Remedy"]

T = TypeVar("T")


@frozen
class OpenContext:
    """What a provider may need to open.

    Attributes:
        installation: The identity of this installation, on every engine object it makes. "" while only
            diagnosing.
        state_dir: A private folder (mode 0700) for lasting state of this installation.
        cache_dir: A folder for what can be made again.
        clock: Where time comes from.
    """

    installation: str
    state_dir: Path
    cache_dir: Path
    clock: Clock


@frozen
class Remedy:
    """How to mend something: the command as an argument list, and whether it needs root."""

    argv: tuple[str, ...]
    needs_root: bool = True


@frozen
class Diagnosis:
    """What `devbench doctor` shows of a provider.

    Attributes:
        ok: Whether it can be opened now.
        summary: One line: what answered, or what is missing.
        remedies: Commands that mend it, in order; empty when it is fine or nobody but the user can.
        notes: Further lines of advice (for example clauses that are not enforced, and why).
    """

    ok: bool
    summary: str
    remedies: tuple[Remedy, ...] = ()
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, eq=False)
class Provider(Generic[T]):
    """One implementation of a contract, offered by a plugin through a hook.

    Attributes:
        name: What configuration calls it; unique among the providers of its kind.
        settings: The pydantic model of its table ``[plugin.NAME]``.
        open: Given validated settings, returns a context manager whose entry opens the implementation and
            whose exit closes it. Client libraries are imported here, not when the plugin is imported.
        diagnose: Answers `devbench doctor` and ``auto``; never raises, takes at most a few seconds.
        maintain: Of a store: given its settings, returns a context manager that gives its `Maintenance`, and whichever
            of `SupportsUpgrade`, `SupportsCheck`, `SupportsVacuum` and `SupportsDump` (then of an older form, too) it
            has; nothing is made or changed by entering.
    """

    name: str
    settings: type[BaseModel]
    open: Callable[[Any, OpenContext], AbstractAsyncContextManager[T]]
    diagnose: Callable[[Any, OpenContext], Awaitable[Diagnosis]] | None = None
    maintain: Callable[[Any, OpenContext], AbstractAsyncContextManager[Maintenance]] | None = None
