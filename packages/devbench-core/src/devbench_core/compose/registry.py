"""Registers plugins with pluggy, refusing what pluggy would silently get wrong."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

import pluggy

from devbench_core.compose.discovery import Found, PluginSource
from devbench_core.hookspecs import PROJECT, HookSpecs
from devbench_core.logs import get_logger
from devbench_core.model.event import Event, Request, Veto

log = get_logger(__name__)


class Registry:
    """The registered plugins, and the two hooks that are called again and again."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(HookSpecs)
        self._observers: list[tuple[PluginSource, pluggy.HookCaller]] = []
        self._reviewers: list[tuple[PluginSource, pluggy.HookCaller]] = []
        self.found: list[Found] = []

    def register(self, found: Found, faults: list[str]) -> None:
        """Register one plugin; add a sentence to ``faults`` when it cannot be."""
        coroutines = sorted(_coroutine_hooks(self._manager, found.plugin))
        if coroutines:
            faults.append(
                f"{found.source}: hook {', '.join(coroutines)} is a coroutine function and would never be "
                "awaited; make it a plain function (open resources in the provider's open())"
            )
            return
        if (unhashable := _why_unhashable(found.plugin)) is not None:
            faults.append(
                f"{found.source} cannot be registered: its object must be hashable, and {unhashable}; leave it "
                "Python's own equality (a plain class, or attrs.frozen(eq=False))"
            )
            return
        try:
            self._manager.register(found.plugin, name=found.source.name)
            self._manager.check_pending()
        except (ValueError, pluggy.PluginValidationError) as error:
            if self._manager.has_plugin(found.source.name):
                self._manager.unregister(name=found.source.name)
            faults.append(
                f"{found.source} cannot be registered: {error}; check it against the hook reference"
            )
            return
        self.found.append(found)

    def seal(self) -> None:
        """Build one caller a plugin, so that one observer's failure cannot silence the others."""
        for found in self.found:
            observer = self._alone("devbench_event", found)
            if observer.get_hookimpls():
                self._observers.append((found.source, observer))
            reviewer = self._alone("devbench_review", found)
            if reviewer.get_hookimpls():
                self._reviewers.append((found.source, reviewer))

    def _alone(self, hook: str, found: Found) -> pluggy.HookCaller:
        """Return a caller of a hook that reaches one plugin only."""
        others = [other.plugin for other in self.found if other.plugin is not found.plugin]
        return self._manager.subset_hook_caller(hook, others)

    def offers(self, hook: str, found: Found) -> Iterable[object]:
        """Return what one plugin offers through a gathering hook."""
        for result in self._alone(hook, found)():
            yield from result

    def review(self, request: Request) -> Veto | None:
        """Ask every reviewer; return the first veto. A reviewer that raises refuses."""
        for source, caller in self._reviewers:
            try:
                answers: list[Veto | None] = caller(request=request)
            except Exception as error:
                log.warning("review.raised", plugin=source.name, operation=request.operation, exc_info=True)
                return Veto(
                    clause=f"{source.name}.error", reason=f"{source} failed to review: {type(error).__name__}"
                )
            veto = next((answer for answer in answers if answer is not None), None)
            if veto is not None:
                return veto
        return None

    def emit(self, event: Event) -> None:
        """Tell every observer; one that raises is logged."""
        for source, caller in self._observers:
            try:
                caller(event=event)
            except Exception:
                log.exception("observer.raised", plugin=source.name, hook_event=event.name)


def _why_unhashable(plugin: object) -> str | None:
    """Return what Python says where an object cannot be put into pluggy's sets."""
    try:
        hash(plugin)
    except TypeError as error:
        return str(error)
    return None


def _coroutine_hooks(manager: pluggy.PluginManager, plugin: object) -> Iterable[str]:
    for name in dir(plugin):
        if manager.parse_hookimpl_opts(plugin, name) is None:
            continue
        if inspect.iscoroutinefunction(getattr(plugin, name)) or inspect.isasyncgenfunction(
            getattr(plugin, name)
        ):
            yield name
