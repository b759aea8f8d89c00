"""How plugins are found, refused and put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devbench_core.compose import Composition, compose
from devbench_core.config.load import from_values
from devbench_core.errors import CompositionFailed
from devbench_core.model.caller import LOCAL
from devbench_core.model.event import Event, Request

Install = Callable[..., Path]

HEADER = "from devbench_core.hookspecs import hookimpl\n"
RUNTIME = (
    HEADER
    + """
from devbench_core.contracts.provider import Provider
from pydantic import BaseModel, ConfigDict

class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    folder: str = "x"
    depth: int = 1

class Plugin:
    @hookimpl
    def devbench_runtimes(self):
        return [Provider(name="{name}", settings=Settings, open=None)]

plugin = Plugin()
"""
)


def composed(plugins: list[str], **values: object) -> Composition:
    return compose(from_values({"plugins": plugins, "store": "memory", **values}))


def faults_of(plugins: list[str], **values: object) -> tuple[str, ...]:
    with pytest.raises(CompositionFailed) as caught:
        composed(plugins, **values)
    return caught.value.faults


def test_a_plugin_installed_a_second_ago_is_seen(install: Install):
    faults_of(["moon"], runtime="moon")
    install("moon", RUNTIME.format(name="moon"))
    assert [c.provider.name for c in composed(["moon"], runtime="moon").runtimes] == ["moon"]


def test_only_the_named_plugins_are_loaded(install: Install):
    install("moon", RUNTIME.format(name="moon"))
    install("bomb", "raise RuntimeError('must not be imported')")
    assert composed(["moon"], runtime="moon").plugins[-1].name == "moon"


def test_a_coroutine_hook_implementation_is_refused_by_name(install: Install):
    source = (
        HEADER + "class P:\n    @hookimpl\n    async def devbench_event(self, event): ...\nplugin = P()\n"
    )
    install("sleepy", source)
    faults = faults_of(["sleepy"])
    assert any("sleepy" in fault and "devbench_event is a coroutine function" in fault for fault in faults)


def test_a_plugin_object_that_cannot_be_hashed_is_refused_by_name(install: Install):
    install("listed", "class Listed(list): ...\nplugin = Listed()\n")
    fault = next(fault for fault in faults_of(["listed"]) if "hashable" in fault)
    assert "listed" in fault
    assert "must be hashable, and unhashable type: 'Listed'" in fault


def test_one_failing_observer_does_not_silence_the_others(install: Install):
    heard: list[str] = []

    class Fails:
        from devbench_core.hookspecs import hookimpl

        @hookimpl
        def devbench_event(self, event: Event) -> None:
            raise RuntimeError(event.name)

    class Hears:
        from devbench_core.hookspecs import hookimpl

        @hookimpl
        def devbench_event(self, event: Event) -> None:
            heard.append(event.name)

    install("moon", RUNTIME.format(name="moon"))
    settings = from_values({"plugins": ["moon"], "store": "memory", "runtime": "moon"})
    composition = compose(settings, extra=[Hears(), Fails(), Hears()])
    from datetime import UTC, datetime

    composition.registry.emit(Event(name="exec.ended", at=datetime.now(UTC)))
    assert heard == ["exec.ended", "exec.ended"]


def test_a_reviewer_that_raises_refuses(install: Install):
    class Broken:
        from devbench_core.hookspecs import hookimpl

        @hookimpl
        def devbench_review(self, request: Request) -> None:
            raise ZeroDivisionError(request.operation)

    install("moon", RUNTIME.format(name="moon"))
    settings = from_values({"plugins": ["moon"], "store": "memory", "runtime": "moon"})
    composition = compose(settings, extra=[Broken()])
    veto = composition.registry.review(Request(operation="exec.start", caller=LOCAL))
    assert veto is not None
    assert "ZeroDivisionError" in veto.reason


def test_two_plugins_claiming_one_provider_are_both_named(install: Install):
    install("moon", RUNTIME.format(name="moon"), distribution="acme-moon")
    install("sun", RUNTIME.format(name="moon"), distribution="acme-sun")
    fault = next(f for f in faults_of(["moon", "sun"], runtime="moon") if "two plugins offer" in f)
    assert "acme-moon 1.0" in fault
    assert "acme-sun 1.0" in fault


def test_two_distributions_claiming_one_entry_point_are_both_named(install: Install):
    install("moon", RUNTIME.format(name="moon"), distribution="acme-first")
    install("moon", RUNTIME.format(name="other"), distribution="acme-second")
    fault = next(f for f in faults_of(["moon"], runtime="moon") if "claim the name 'moon'" in f)
    assert "acme-first" in fault
    assert "acme-second" in fault


def test_a_plugin_that_fails_to_import_is_reported_with_distribution_version_and_advice(install: Install):
    install("bad", "import a_module_that_is_not_there", distribution="acme-bad", version="3.2")
    fault = next(f for f in faults_of(["bad"]) if "cannot be imported" in f)
    assert "acme-bad 3.2" in fault
    assert "ModuleNotFoundError" in fault
    assert "reinstall" in fault


def test_an_unknown_name_suggests_the_nearest(install: Install):
    install("moonlight", RUNTIME.format(name="moonlight"))
    faults = faults_of(["moonlihgt"])
    assert any("did you mean 'moonlight'?" in fault for fault in faults)


def test_an_official_plugin_that_is_absent_comes_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(
        "devbench_core.compose.composition.scan", lambda: ()
    )  # all of ours are installed here
    faults = faults_of(["docker"])
    assert "plugin 'docker': not installed; try: uv add devbench-runtime-docker" in faults


def test_all_faults_of_a_start_up_come_out_together(install: Install):
    install("moon", RUNTIME.format(name="moon"))
    faults = faults_of(
        ["moon", "nobody"], runtime="mars", lock="none", plugin={"moon": {"depht": 2}, "jupiter": {}}
    )
    text = "\n".join(faults)
    for part in ("'nobody'", "runtime 'mars'", "lock 'none'", "[plugin.jupiter]"):
        assert part in text


def test_a_plugins_own_table_is_validated_by_its_own_model(install: Install):
    install("moon", RUNTIME.format(name="moon"))
    faults = faults_of(["moon"], runtime="moon", plugin={"moon": {"depht": 2}})
    assert faults == ("setting 'plugin.moon.depht' is unknown; did you mean 'depth'?",)


def test_a_hook_that_raises_is_a_fault_of_its_plugin(install: Install):
    source = HEADER + (
        "class P:\n    @hookimpl\n    def devbench_runtimes(self):\n        raise KeyError('lost')\nplugin = P()\n"
    )
    install("clumsy", source)
    assert any("clumsy" in f and "devbench_runtimes() failed: KeyError" in f for f in faults_of(["clumsy"]))


def test_a_hook_with_a_wrong_argument_is_refused(install: Install):
    source = HEADER + "class P:\n    @hookimpl\n    def devbench_event(self, evnt): ...\nplugin = P()\n"
    install("typo", source)
    assert any("typo" in f and "cannot be registered" in f for f in faults_of(["typo"]))


def test_no_installed_runtime_says_how_to_get_one():
    faults = faults_of([])
    assert any("uv add devbench-runtime-bubblewrap" in fault or "bubblewrap" in fault for fault in faults)
