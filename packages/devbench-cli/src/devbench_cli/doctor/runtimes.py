"""What the doctor finds out about runtimes, and which one a spawn would use."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import attrs
from pydantic import ValidationError

from devbench_cli.doctor.checks import Check, context_of
from devbench_cli.inventory import PluginReport, providers
from devbench_core.compose.composition import AUTO_ORDER
from devbench_core.compose.discovery import KNOWN_DISTRIBUTIONS
from devbench_core.config.faults import explain
from devbench_core.config.settings import AUTO, Settings
from devbench_core.contracts.provider import Diagnosis, Provider

DIAGNOSE_TIMEOUT_S = 15.0
EMBEDDED = "bubblewrap"
"""What `--fix` installs when nothing is there: it needs no daemon and no image."""


@attrs.frozen(kw_only=True)
class RuntimeFinding:
    """A runtime and its diagnosis."""

    name: str
    diagnosis: Diagnosis


async def diagnose_runtimes(settings: Settings, reports: Sequence[PluginReport]) -> list[RuntimeFinding]:
    """Diagnose every installed runtime, in the order in which ``auto`` tries them."""
    offered = {provider.name: provider for provider in providers(reports, "runtime")}
    order = [*(name for name in AUTO_ORDER if name in offered), *sorted(set(offered) - set(AUTO_ORDER))]
    return [RuntimeFinding(name=name, diagnosis=await diagnose(settings, offered[name])) for name in order]


async def diagnose(settings: Settings, provider: Provider[Any]) -> Diagnosis:
    """Ask one runtime how it is; never raises."""
    table = settings.plugin.get(provider.name, {})
    try:
        chosen = provider.settings.model_validate(table)
    except ValidationError as error:
        faults = explain(error, provider.settings, f"plugin.{provider.name}")
        return Diagnosis(ok=False, summary="its configuration is invalid", notes=tuple(faults))
    if provider.diagnose is None:
        return Diagnosis(ok=True, summary="installed; it does not diagnose itself")
    try:
        async with asyncio.timeout(DIAGNOSE_TIMEOUT_S):
            return await provider.diagnose(chosen, context_of(settings))
    except TimeoutError:
        return Diagnosis(ok=False, summary=f"no answer within {DIAGNOSE_TIMEOUT_S:g} s")
    except Exception as error:  # noqa: BLE001 - a faulty plugin is a finding, not the doctor's end
        return Diagnosis(ok=False, summary=f"its diagnosis failed: {type(error).__name__}: {error}")


def chosen_runtime(settings: Settings, findings: Sequence[RuntimeFinding]) -> str:
    """Return the name of the runtime that a spawn would use, "" for none."""
    if settings.runtime != AUTO:
        return settings.runtime
    return next((finding.name for finding in findings if finding.diagnosis.ok), "")


def runtime_checks(settings: Settings, findings: Sequence[RuntimeFinding]) -> list[Check]:
    """Return one check a runtime, and one for the choice among them.

    Needed is the configured one; with ``auto``, and when none answers, the embedded default.
    """
    chosen = chosen_runtime(settings, findings)
    wanted = chosen or EMBEDDED
    checks = [
        Check(
            name=f"runtime {finding.name}",
            ok=finding.diagnosis.ok,
            summary=finding.diagnosis.summary,
            needed=finding.name == wanted,
            remedies=finding.diagnosis.remedies,
            notes=finding.diagnosis.notes,
        )
        for finding in findings
    ]
    if wanted not in {finding.name for finding in findings}:
        checks.append(_not_installed(wanted))
    return [*checks, _choice(settings, chosen, findings)]


def _not_installed(name: str) -> Check:
    distribution = KNOWN_DISTRIBUTIONS.get(name)
    hint = f"uv add {distribution}" if distribution else "see `devbench plugins`"
    return Check(name=f"runtime {name}", ok=False, summary="its plugin is not installed", notes=(hint,))


def _choice(settings: Settings, chosen: str, findings: Sequence[RuntimeFinding]) -> Check:
    well = {finding.name for finding in findings if finding.diagnosis.ok}
    how = "auto: the first that answers" if settings.runtime == AUTO else "as configured"
    if chosen in well:
        return Check(name="choice", ok=True, summary=f"containers run on {chosen} ({how})")
    return Check(name="choice", ok=False, summary="no runtime answers, so nothing can be spawned")
