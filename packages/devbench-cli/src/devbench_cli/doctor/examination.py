"""The whole examination, and how it looks."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

import attrs

from devbench_cli.backends.opening import overrides_of
from devbench_cli.doctor.checks import (
    Check,
    check_agent,
    check_lock,
    check_plugins,
    check_python,
    check_state_dir,
    check_store,
)
from devbench_cli.doctor.mending import for_people
from devbench_cli.doctor.runtimes import chosen_runtime, diagnose_runtimes, runtime_checks
from devbench_cli.inventory import plugin_reports
from devbench_cli.options import Options
from devbench_core.config.load import from_values, load_settings
from devbench_core.contracts.provider import Remedy
from devbench_core.errors import ConfigurationInvalid

GREEN, YELLOW, RED, RESET = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"


@attrs.frozen(kw_only=True)
class Examination:
    """All findings, and the runtime that a spawn would use ("" for none)."""

    checks: tuple[Check, ...]
    runtime: str

    @property
    def ok(self) -> bool:
        """Whether everything that is needed is there."""
        return all(check.ok for check in self.checks if check.needed)

    def remedies(self) -> list[Remedy]:
        """Return what mends all that is needed and not well."""
        ill = [check for check in self.checks if check.needed and not check.ok]
        return [remedy for check in ill for remedy in check.remedies]


async def examine(options: Options) -> Examination:
    """Look at everything; a finding never hides the next one."""
    overrides = overrides_of(options)
    try:
        loaded = load_settings(options.config, overrides=overrides)
        settings = loaded.settings
        where = f"{loaded.path}" if loaded.path else "no file, defaults"
        configuration = Check(name="configuration", ok=True, summary=where)
    except ConfigurationInvalid as error:
        settings = from_values({}, overrides=overrides)
        configuration = Check(name="configuration", ok=False, summary=error.message, notes=(error.hint,))
    reports = await asyncio.to_thread(plugin_reports, settings.plugins)
    findings = await diagnose_runtimes(settings, reports)
    checks = [
        check_python(),
        configuration,
        check_plugins(reports),
        check_agent(),
        check_state_dir(settings),
        await check_store(settings, reports),
        await check_lock(settings, reports),
        *runtime_checks(settings, findings),
    ]
    return Examination(checks=tuple(checks), runtime=chosen_runtime(settings, findings))


def show(examination: Examination) -> None:
    """Print the findings for people."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = max(len(check.name) for check in examination.checks)
    for check in examination.checks:
        sys.stdout.write(f"{_mark(check, colour=colour)} {check.name:<{width}}  {check.summary}\n")
        indent = " " * (width + 7)
        sys.stdout.writelines(f"{indent}{note}\n" for note in check.notes)
        if not check.ok:
            sys.stdout.writelines(f"{indent}mend it: {for_people(remedy)}\n" for remedy in check.remedies)
    verdict = (
        "everything that is needed is there" if examination.ok else "something that is needed is missing"
    )
    sys.stdout.write(f"\n{verdict}\n")
    if not examination.ok and examination.remedies():
        sys.stdout.write("`devbench doctor --fix` runs the commands for what is needed\n")
    sys.stdout.flush()


def as_values(examination: Examination) -> dict[str, object]:
    """Return the findings for machines."""
    return {
        "ok": examination.ok,
        "runtime": examination.runtime or None,
        "checks": [_values(check) for check in examination.checks],
    }


def _values(check: Check) -> dict[str, object]:
    remedies: Sequence[Remedy] = () if check.ok else check.remedies
    return {
        "name": check.name,
        "ok": check.ok,
        "needed": check.needed,
        "summary": check.summary,
        "notes": list(check.notes),
        "remedies": [{"argv": list(remedy.argv), "needs_root": remedy.needs_root} for remedy in remedies],
    }


def _mark(check: Check, *, colour: bool) -> str:
    mark, paint = ("ok  ", GREEN) if check.ok else ("FAIL", RED) if check.needed else ("-   ", YELLOW)
    return f"{paint}{mark}{RESET}" if colour else mark
