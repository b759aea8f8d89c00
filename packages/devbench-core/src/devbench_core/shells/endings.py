"""How a run ended, as its shell's record says."""

from __future__ import annotations

import attrs

from devbench_core.model.shell import RunReason, ShellRun
from devbench_core.shells.context import ShellContext
from devbench_core.shells.follow import Outcome


def ended_run(run: ShellRun, outcome: Outcome, context: ShellContext) -> ShellRun:
    """Return a run with its end."""
    report, ending = outcome.report, outcome.ending
    code = report.exit_code if report is not None else ending.exit_code if ending is not None else None
    if outcome.reason is RunReason.LOST:
        code = None
    return attrs.evolve(
        run,
        until=outcome.until,
        ended_at=context.clock.now(),
        reason=outcome.reason,
        exit_code=code,
        shell_kept=report is not None,
    )
