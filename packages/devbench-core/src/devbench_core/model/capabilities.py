"""What a runtime can enforce and do."""

from __future__ import annotations

import attrs

from devbench_core.model.policy import Clause
from devbench_core.values import frozen

__all__ = ["Capabilities"]


@frozen
class Capabilities:
    """Declared by a runtime once it is open; a claim is tested by the conformance suite.

    Attributes:
        enforces: Policy clauses that hold in every container this runtime starts.
        reasons: For each clause that is not enforced, why and what would change that.
        images: Whether the runtime has images of its own that can be pulled by name.
        architectures: What the agent must be built for, most likely first (``amd64``, ``arm64``).
    """

    enforces: frozenset[Clause]
    reasons: dict[Clause, str] = attrs.field(factory=dict[Clause, str])
    images: bool = True
    architectures: tuple[str, ...] = ("amd64",)
