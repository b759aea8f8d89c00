"""What the doctor looks at beside the runtimes."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import attrs
from pydantic import ValidationError

from devbench_cli.inventory import FAILED, INCOMPATIBLE, LOADED, PluginReport, providers
from devbench_core.clock import SystemClock
from devbench_core.config.faults import explain
from devbench_core.config.settings import AUTO, Settings
from devbench_core.contracts.provider import OpenContext, Remedy
from devbench_core.errors import DevbenchError

PYTHON_MIN = (3, 11)
STORE_TIMEOUT_S = 20.0


@attrs.frozen(kw_only=True)
class Check:
    """One finding.

    Attributes:
        name: What was looked at.
        ok: Whether it is as it should be.
        summary: One line.
        needed: Whether devbench cannot work without it.
        remedies: Commands that mend it.
        notes: Further lines.
    """

    name: str
    ok: bool
    summary: str
    needed: bool = True
    remedies: tuple[Remedy, ...] = ()
    notes: tuple[str, ...] = ()


def context_of(settings: Settings) -> OpenContext:
    """Return what providers are given to diagnose themselves."""
    return OpenContext(
        installation="", state_dir=settings.state_dir, cache_dir=settings.cache_dir, clock=SystemClock()
    )


def check_python() -> Check:
    """Look at the interpreter."""
    return Check(
        name="python",
        ok=sys.version_info >= PYTHON_MIN,
        summary=f"{platform.python_version()} at {sys.executable}",
        notes=() if sys.version_info >= PYTHON_MIN else ("Python 3.11 or later is needed",),
    )


def check_plugins(reports: list[PluginReport]) -> Check:
    """Look for plugins that cannot be loaded, and say how those are enabled that are installed and are not."""
    failed = [report for report in reports if report.state == FAILED]
    names = ", ".join(report.source.name for report in reports if report.state == LOADED)
    idle = [
        f"{report.source.name} ({report.source.distribution}) is installed and not enabled; "
        f"to trust it, write: {report.enable_with}"
        for report in reports
        if report.enable_with
    ]
    strange = [f"{report.source} {report.error}" for report in reports if report.state == INCOMPATIBLE]
    return Check(
        name="plugins",
        ok=not failed,
        summary=names if not failed else f"{len(failed)} of {len(reports)} cannot be loaded",
        notes=(*(report.error for report in failed), *idle, *strange),
    )


def check_state_dir(settings: Settings) -> Check:
    """Look whether state can be written."""
    folder = settings.state_dir
    present = next((place for place in (folder, *folder.parents) if place.exists()), Path("/"))
    writable = present.is_dir() and os.access(present, os.W_OK | os.X_OK)
    missing = "" if present == folder else " (made at first use)"
    return Check(
        name="state folder",
        ok=writable,
        summary=f"{folder}{missing}" if writable else f"{present} cannot be written by this user",
        notes=() if writable else ("set state_dir, or DEVBENCH_STATE_DIR, to a folder of this user",),
    )


def check_agent() -> Check:
    """Look for the program that runs in containers."""
    try:
        import devbench_agent

        path = devbench_agent.binary()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the package is a finding
        return Check(
            name="agent",
            ok=False,
            summary=f"the program for containers is missing: {error}",
            remedies=(
                Remedy(argv=("uv", "pip", "install", "--reinstall", "devbench-agent"), needs_root=False),
            ),
        )
    runs = os.access(path, os.R_OK)
    return Check(name="agent", ok=runs, summary=str(path), notes=() if runs else ("it cannot be read",))


async def check_lock(settings: Settings, reports: list[PluginReport]) -> Check:
    """Ask the configured lock how it is."""
    name = settings.lock
    offered = {provider.name: provider for provider in providers(reports, "lock")}
    provider = offered.get(name)
    if provider is None:
        notes = (f"there are: {', '.join(offered)}",)
        return Check(name="lock", ok=False, summary=f"{name!r} is not installed", notes=notes)
    try:
        chosen = provider.settings.model_validate(settings.plugin.get(name, {}))
    except ValidationError as error:
        notes = tuple(explain(error, provider.settings, f"plugin.{name}"))
        return Check(name="lock", ok=False, summary=f"{name}: its settings cannot be used", notes=notes)
    if provider.diagnose is None:
        return Check(name="lock", ok=True, summary=name)
    found = await provider.diagnose(chosen, context_of(settings))
    return Check(
        name="lock",
        ok=found.ok,
        summary=f"{name}: {found.summary}",
        remedies=found.remedies,
        notes=found.notes,
    )


async def check_store(settings: Settings, reports: list[PluginReport]) -> Check:
    """Open the configured store and close it again."""
    offered = {provider.name: provider for provider in providers(reports, "store")}
    name = settings.store if settings.store != AUTO else ("sql" if "sql" in offered else "memory")
    provider = offered.get(name)
    if provider is None:
        return Check(
            name="store",
            ok=False,
            summary=f"{name!r} is not installed",
            notes=(f"there are: {', '.join(offered)}",),
        )
    if not settings.state_dir.exists():  # blocks: one look, and nothing else runs
        return Check(name="store", ok=True, summary=f"{name} (made at first use)")
    try:
        chosen = provider.settings.model_validate(settings.plugin.get(name, {}))
        async with asyncio.timeout(STORE_TIMEOUT_S), AsyncExitStack() as stack:
            store = await stack.enter_async_context(provider.open(chosen, context_of(settings)))
            await store.get("doctor", "doctor")
    except DevbenchError as error:
        return Check(name="store", ok=False, summary=error.message, notes=(error.hint,) if error.hint else ())
    except (ValueError, TimeoutError) as error:
        return Check(name="store", ok=False, summary=f"{name}: {error or 'it does not answer'}")
    return Check(name="store", ok=True, summary=f"{name} answers")
