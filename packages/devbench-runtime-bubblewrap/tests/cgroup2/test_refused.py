"""An ordinary user whose control group is root's: what is not enforced is said, clause by clause."""

from devbench_core.contracts.provider import OpenContext
from devbench_core.model.policy import Clause
from devbench_runtime_bubblewrap.diagnosis import diagnose_bubblewrap
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from harness.control_groups import groups_called

LIMITS = {Clause.MEMORY, Clause.CPU, Clause.PIDS}


async def test_each_limit_is_absent_by_name_with_what_would_help(
    runtime: BubblewrapRuntime, context: OpenContext
):
    assert set(Clause) - runtime.capabilities.enforces == LIMITS | {Clause.EXEC_USERS}
    for clause in LIMITS:
        reason = runtime.capabilities.reasons[clause]
        assert reason.startswith(f"{clause}: no control group with this controller belongs to user ")
        assert "Delegate=yes" in reason
    assert (await runtime.ping()).details["cgroups"] == "none"
    assert groups_called(context.installation) == []


async def test_the_doctor_names_each_limit(settings: BubblewrapSettings, context: OpenContext):
    diagnosis = await diagnose_bubblewrap(settings, context)
    assert diagnosis.ok
    for clause in LIMITS:
        assert any(note.startswith(f"not enforced: {clause}: ") for note in diagnosis.notes)
