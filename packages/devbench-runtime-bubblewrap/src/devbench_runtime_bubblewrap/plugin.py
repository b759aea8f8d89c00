"""Offers the runtime ``bubblewrap``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from devbench_core.contracts.provider import Diagnosis, OpenContext, Provider
from devbench_core.contracts.runtime import Runtime
from devbench_core.hookspecs import hookimpl
from devbench_runtime_bubblewrap.settings import BubblewrapSettings

NAME = "bubblewrap"


def open_runtime(settings: BubblewrapSettings, context: OpenContext) -> AbstractAsyncContextManager[Runtime]:
    """Open the runtime."""
    from devbench_runtime_bubblewrap.opening import open_bubblewrap

    return open_bubblewrap(settings, context)


async def diagnose(settings: BubblewrapSettings, context: OpenContext) -> Diagnosis:
    """Say whether it can be opened, and what is missing."""
    from devbench_runtime_bubblewrap.diagnosis import diagnose_bubblewrap

    return await diagnose_bubblewrap(settings, context)


class BubblewrapPlugin:
    """The plugin object."""

    @hookimpl
    def devbench_runtimes(self) -> Sequence[Provider[Runtime]]:
        """Offer ``bubblewrap``."""
        return [Provider(name=NAME, settings=BubblewrapSettings, open=open_runtime, diagnose=diagnose)]


plugin = BubblewrapPlugin()
