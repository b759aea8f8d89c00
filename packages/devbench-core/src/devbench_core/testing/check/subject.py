"""What is held to a contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
from pydantic import BaseModel

from devbench_core.compose.discovery import load
from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.errors import PluginNotFound
from devbench_core.values import frozen

HOOKS = {
    "runtime": "devbench_runtimes",
    "store": "devbench_stores",
    "lock": "devbench_locks",
    "scanner": "devbench_scanners",
    "tool": "devbench_tools",
}
"""By kind of contract: the hook through which a plugin offers it."""


@frozen
class Subject:
    """A provider of an installed plugin, and what it is opened with.

    Attributes:
        kind: Of the contract.
        provider: What is tested.
        settings: Of the plugin's table.
        images: Of a runtime: the image that containers are made from, none for the first that it has. Of a scanner:
            those that are scanned, each as ``NAME@DIGEST``.
        plugin: The object that offers it.
        examples: Of tools: valid arguments by the name of each, in a bench with a container ``lab``.
    """

    kind: str
    provider: Provider[Any]
    settings: Mapping[str, Any]
    images: tuple[str, ...] = ()
    plugin: object = None
    examples: Mapping[str, Sequence[Mapping[str, object]]] = attrs.field(factory=dict[str, Any])

    @classmethod
    def find(
        cls,
        plugin: str,
        kind: str,
        provider: str,
        settings: Mapping[str, Any],
        *,
        images: tuple[str, ...] = (),
        examples: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
    ) -> Subject:
        """Load a plugin and find what it offers; its tools are one, by its own name.

        Raises:
            PluginNotFound: It is not installed, cannot be imported, or offers no such provider.
        """
        offering = _plugin(plugin)
        offers = getattr(offering, HOOKS[kind])()
        for each in [_as_one(plugin, offers)] if kind == "tool" else offers:
            if each.name == provider:
                return cls(
                    kind=kind,
                    provider=each,
                    settings=settings,
                    images=images,
                    plugin=offering,
                    examples=examples or {},
                )
        raise PluginNotFound(f"plugin {plugin!r} offers no {kind} {provider!r}", hint="see: devbench plugins")


class _NoSettings(BaseModel):
    """Tools have none."""


def _as_one(plugin: str, tools: Sequence[Any]) -> Provider[Any]:
    @asynccontextmanager
    async def opened(_settings: _NoSettings, _context: OpenContext) -> AsyncGenerator[Sequence[Any]]:
        yield tools

    return Provider(name=plugin, settings=_NoSettings, open=opened)


def _plugin(plugin: str) -> object:
    from devbench_core.builtin import builtin_plugins  # after compose: the two import each other

    faults: list[str] = []
    own = [found for found in builtin_plugins() if found.source.name == plugin]
    found = own or list(load([plugin], faults))
    if not found:
        raise PluginNotFound(f"plugin {plugin!r} cannot be loaded: {'; '.join(faults)}")
    return found[0].plugin
