"""Limits that an engine drops with no more than a warning."""

import pytest

from devbench_core.engines.warnings import refuse_dropped_limits
from devbench_core.errors import NotEnforced
from devbench_core.model.policy import Clause


@pytest.mark.parametrize(
    ("warning", "clause"),
    [
        (
            "Your kernel does not support memory limit capabilities or the cgroup is not mounted.",
            Clause.MEMORY,
        ),
        ("Your kernel does not support pids limit capabilities or the cgroup is not mounted.", Clause.PIDS),
        ("Your kernel does not support CPU CFS quota. Quota discarded.", Clause.CPU),
    ],
)
def test_a_limit_that_the_engine_dropped_with_a_warning_is_a_refusal(warning: str, clause: Clause):
    with pytest.raises(NotEnforced) as refused:
        refuse_dropped_limits([warning])
    assert refused.value.details["clauses"] == [clause]


def test_a_warning_about_swap_is_none():
    text = "Your kernel does not support swap limit capabilities. Memory limited without swap."
    refuse_dropped_limits([text])


def test_all_limits_at_once_are_all_named():
    text = "Resource limits are not supported and ignored on cgroups V1 rootless systems"
    with pytest.raises(NotEnforced) as refused:
        refuse_dropped_limits([text])
    assert refused.value.details["clauses"] == sorted([Clause.MEMORY, Clause.CPU, Clause.PIDS])
