"""What `devbench doctor` says of bubblewrap."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

from devbench_core.contracts.provider import Diagnosis, OpenContext, Remedy
from devbench_core.errors import DevbenchError, EngineFailed, EngineUnreachable
from devbench_core.model.capabilities import Capabilities
from devbench_runtime_bubblewrap.capability import NOTES, capabilities
from devbench_runtime_bubblewrap.cgroups.groups import ControlGroups, open_groups
from devbench_runtime_bubblewrap.identity import host_user
from devbench_runtime_bubblewrap.program import Program, probe_program, try_namespaces
from devbench_runtime_bubblewrap.settings import BubblewrapSettings

INSTALL = Remedy(argv=("apt-get", "install", "-y", "bubblewrap"))
SWITCHES = {
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "kernel.unprivileged_userns_clone=1"),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    "/proc/sys/user/max_user_namespaces": ("0", "user.max_user_namespaces=15000"),
}
"""Kernel settings that forbid user namespaces: the forbidding value, and what to set instead."""


async def diagnose_bubblewrap(settings: BubblewrapSettings, context: OpenContext) -> Diagnosis:
    """Say whether it works here, what would mend it, and what is not enforced. Never raises."""
    try:
        return await _diagnose(settings, context)
    except EngineUnreachable as error:
        return Diagnosis(ok=False, summary=error.message, remedies=(INSTALL,))
    except DevbenchError as error:
        return Diagnosis(ok=False, summary=str(error))
    except Exception as error:  # noqa: BLE001  (the contract: a diagnosis never raises)
        return Diagnosis(ok=False, summary=f"bubblewrap cannot be examined: {error}")


async def _diagnose(settings: BubblewrapSettings, context: OpenContext) -> Diagnosis:
    program = await probe_program(settings.program, settings.probe_timeout_s)
    user = host_user(settings.run_as)
    try:
        await try_namespaces(program, user, settings.probe_timeout_s)
    except EngineFailed as error:
        remedies = await asyncio.to_thread(forbidding_switches)
        return Diagnosis(
            ok=False, summary=f"bubblewrap {program.version_text}: {error.message}", remedies=remedies
        )
    found = await asyncio.to_thread(partial(_look, program, settings, context))
    missing = [reason for _, reason in sorted(found.reasons.items())]
    notes = (*(f"not enforced: {reason}" for reason in missing), *NOTES)
    summary = f"bubblewrap {program.version_text} at {program.path}, containers run as user {user.uid}"
    return Diagnosis(ok=True, summary=summary, notes=notes)


def forbidding_switches() -> tuple[Remedy, ...]:
    """Return the commands that allow user namespaces where the kernel is set not to; blocking."""
    remedies: list[Remedy] = []
    for path, (forbidding, setting) in SWITCHES.items():
        try:
            value = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if value == forbidding:
            remedies.append(Remedy(argv=("sysctl", "-w", setting)))
    return tuple(remedies)


def _look(program: Program, settings: BubblewrapSettings, context: OpenContext) -> Capabilities:
    groups = ControlGroups(())
    if settings.cgroups:
        groups = open_groups(f"doctor-{os.getpid()}")
    try:
        return capabilities(program, groups, cgroups=settings.cgroups)
    finally:
        groups.close()
        _ = context
