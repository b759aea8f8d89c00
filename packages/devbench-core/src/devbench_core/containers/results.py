"""What callers get who ask something of containers."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from devbench_core.model.container import WORKSPACE, Container
from devbench_core.values import frozen

if TYPE_CHECKING:
    from devbench_core.model.execution import Exec


@frozen
class Spawned:
    """The container, and whether an earlier call with the same key had made it."""

    container: Container
    replayed: bool


@frozen
class Attached:
    """What a client needs to go on with a container.

    Attributes:
        container: Its record: state, spec and so on.
        execs: Its commands that are not ended.
        workspace: The root of its files.
    """

    container: Container
    execs: tuple[Exec, ...]
    workspace: PurePosixPath = WORKSPACE


@frozen
class ContainerPage:
    """Containers in the order of their ids; ``cursor`` is "" when there are no more."""

    containers: tuple[Container, ...]
    cursor: str = ""
