"""Holds tests to what is claimed, and skips the others by name."""

from __future__ import annotations

from typing import Any, cast

import pytest

from devbench_core.model.policy import Clause
from devbench_core.testing.kit.claims import Claims, Trait, names_of, needed_by


def skip_without(claims: Claims, *needed: Clause | Trait | type[Any]) -> None:
    """Skip by name whatever a fixture of several tests is for."""
    missing = [what for what in needed if not claims.has(what)]
    if missing:
        pytest.skip(f"not claimed: {', '.join(names_of(missing))}")


class HeldToClaims:
    """Tests of what is claimed. Needs the fixture ``claims``."""

    @pytest.fixture(autouse=True)
    def _only_what_is_claimed(self, request: pytest.FixtureRequest, claims: Claims) -> None:
        skip_without(claims, *needed_by(request.function, cast("Any", request).cls))
