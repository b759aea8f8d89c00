"""Makes sure that the demo's runtime can be opened, and installs what is missing where that is wanted."""

from __future__ import annotations

from typing import Any

from devbench_cli.demo.narrator import DemoFailed
from devbench_cli.doctor.mending import for_people, mend
from devbench_cli.doctor.runtimes import diagnose
from devbench_cli.inventory import plugin_reports, providers
from devbench_core.compose.discovery import KNOWN_DISTRIBUTIONS
from devbench_core.config.settings import Settings
from devbench_core.contracts.provider import Diagnosis, Provider
from devbench_core.errors import CompositionFailed, EngineUnreachable

AGAIN = "devbench demo --install-missing"


async def prepare(settings: Settings, *, install_missing: bool) -> None:
    """Return when the runtime can be opened.

    Raises:
        CompositionFailed: Its plugin is not installed.
        EngineUnreachable: Something is missing; says which command mends it.
    """
    provider = _provider(settings)
    diagnosis = await diagnose(settings, provider)
    if not diagnosis.ok and install_missing and diagnosis.remedies:
        if not await mend(diagnosis.remedies):
            raise DemoFailed(f"what runtime {provider.name!r} needs could not be installed", hint="see above")
        diagnosis = await diagnose(settings, provider)
    if not diagnosis.ok:
        raise EngineUnreachable(
            f"runtime {provider.name!r} cannot be used: {diagnosis.summary}", hint=_hint(diagnosis)
        )


def _provider(settings: Settings) -> Provider[Any]:
    found = providers(plugin_reports(settings.plugins), "runtime")
    for provider in found:
        if provider.name == settings.runtime:
            return provider
    distribution = KNOWN_DISTRIBUTIONS.get(settings.runtime)
    advice = f"try: uv add {distribution}" if distribution else f"there are: {[p.name for p in found]}"
    raise CompositionFailed([f"runtime {settings.runtime!r} is not installed; {advice}"])


def _hint(diagnosis: Diagnosis) -> str:
    if not diagnosis.remedies:
        return "; ".join(diagnosis.notes) or "`devbench doctor` says more"
    commands = " && ".join(for_people(remedy) for remedy in diagnosis.remedies)
    return f"run `{AGAIN}`, or: {commands}"
