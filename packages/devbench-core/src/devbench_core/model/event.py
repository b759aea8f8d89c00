"""What reviewers are asked and observers are told."""

from __future__ import annotations

from datetime import datetime

import attrs

from devbench_core.model.caller import Caller
from devbench_core.values import frozen

__all__ = ["Event", "Request", "Veto"]


@frozen
class Request:
    """An operation that is about to happen.

    Attributes:
        operation: Dotted name: ``container.spawn``, ``container.kill``, ``exec.start``, ``file.write`` …
        caller: Who asks.
        container_id: The container concerned, "" for none yet.
        subject: What it is about, for example a `ContainerSpec`, an `ExecRequest` or a path.
    """

    operation: str
    caller: Caller
    container_id: str = ""
    subject: object = None


@frozen
class Veto:
    """A refusal by a reviewer.

    Attributes:
        clause: A stable name of the rule that refuses.
        reason: One sentence for the caller.
    """

    clause: str
    reason: str


@frozen
class Event:
    """Something that happened.

    Attributes:
        name: Dotted: ``container.spawned``, ``container.ended``, ``exec.started``, ``exec.ended``,
            ``shell.opened``, ``shell.ran``, ``shell.closed``,
            ``file.written``, ``file.moved``, ``file.copied``, ``file.mode_changed``,
            ``file.deleted``, ``file.imported``, ``image.pulled``, ``pool.filled``, ``pool.removed``, ``pool.failed`` …
        at: When, UTC.
        caller: On whose behalf; None when devbench itself acted.
        container_id: "" for none.
        exec_id: "" for none.
        fields: Small JSON-compatible facts, never secrets.
    """

    name: str
    at: datetime
    caller: Caller | None = None
    container_id: str = ""
    exec_id: str = ""
    fields: dict[str, object] = attrs.field(factory=dict[str, object])
