"""A plugin that is made for another version of the plugin API is refused by name, and never imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devbench_core.compose import GROUP, Composition, compose
from devbench_core.compose.discovery import installed
from devbench_core.config.load import from_values
from devbench_core.errors import CompositionFailed, PluginIncompatible

Install = Callable[..., Path]
NEWER, OLDER = "devbench.v2", "devbench.v0"
NEVER = "raise SystemExit('imported')"
SOUND = "plugin = object()"


def composed(*plugins: str, **values: object) -> Composition:
    return compose(from_values({"plugins": [*plugins], "store": "memory", "runtime": "auto", **values}))


def refusal(*plugins: str, **values: object) -> PluginIncompatible:
    with pytest.raises(PluginIncompatible) as caught:
        composed(*plugins, **values)
    return caught.value


def test_a_plugin_for_a_newer_api_is_named_with_both_versions_and_what_to_do(install: Install):
    install("moon", NEVER, version="7.0", groups=[NEWER])
    (fault,) = refusal("bubblewrap", "moon").faults
    assert fault == (
        "plugin 'moon' (acme-moon 7.0) is made for version 2 of the plugin API, this devbench has version 1; "
        "upgrade devbench-core or install a release of acme-moon for devbench.v1, or leave 'moon' out of `plugins`"
    )


def test_a_plugin_for_an_older_api_is_named_and_upgrading_devbench_is_not_the_advice(install: Install):
    install("moon", NEVER, groups=[OLDER])
    (fault,) = refusal("bubblewrap", "moon").faults
    assert "is made for version 0 of the plugin API, this devbench has version 1" in fault
    assert "install a release of acme-moon for devbench.v1" in fault
    assert "upgrade devbench-core" not in fault


def test_the_refusal_has_a_code_of_its_own_and_tells_programs_which_plugins(install: Install):
    install("moon", NEVER, groups=[NEWER])
    error = refusal("bubblewrap", "moon", lock="nothing")
    assert error.code == "plugin_incompatible"
    plugin = {"name": "moon", "distribution": "acme-moon", "version": "1.0", "group": NEWER}
    assert (error.details["plugins"], error.details["group"]) == ([plugin], GROUP)
    assert isinstance(error, CompositionFailed)
    assert any("lock 'nothing'" in fault for fault in error.faults)  # the other faults are told too


def test_one_that_is_chosen_and_not_enabled_is_refused_likewise(install: Install):
    install("moon", NEVER, groups=[NEWER])
    (fault,) = refusal("bubblewrap", runtime="moon").faults
    assert fault.startswith("runtime 'moon': plugin 'moon' (acme-moon 1.0) is made for version 2")


def test_one_that_nobody_named_ends_no_composition_and_is_known(install: Install):
    install("moon", NEVER, groups=[NEWER])
    assert "moon" not in {source.name for source in composed("bubblewrap").plugins}
    (moon,) = [source for source in installed() if source.name == "moon"]
    assert not moon.is_compatible


def test_one_of_devbenchs_own_for_another_api_is_refused_and_not_passed_over(
    install: Install, monkeypatch: pytest.MonkeyPatch
):
    own = {"moon": "devbench-runtime-moon"}
    monkeypatch.setattr("devbench_core.compose.discovery.KNOWN_DISTRIBUTIONS", own)
    install("moon", NEVER, distribution=own["moon"], groups=[OLDER])
    with pytest.raises(PluginIncompatible, match="'moon'"):
        compose(from_values({"store": "memory"}))


def test_a_package_may_serve_several_versions_of_the_api(install: Install):
    install("moon", SOUND, groups=[NEWER, GROUP, OLDER])
    assert composed("bubblewrap", "moon").plugins[-1].group == GROUP
    assert [source.group for source in installed() if source.name == "moon"] == [GROUP]


def test_one_of_the_right_version_is_taken_before_another_of_its_name(install: Install):
    install("moon", NEVER, distribution="acme-ahead", groups=[NEWER])
    install("moon", SOUND, distribution="acme-here")
    assert composed("bubblewrap", "moon").plugins[-1].distribution == "acme-here"
    with pytest.raises(CompositionFailed) as caught:
        composed("bubblewrap", "moon", lock="nothing")
    assert caught.value.code == "composition_failed"


@pytest.mark.parametrize("group", ["devbench.vx", "devbench.v", "devbench.v1.tools", "devbench.v-1"])
def test_a_group_that_is_no_version_of_the_api_is_none_of_ours(install: Install, group: str):
    install("moon", NEVER, groups=[group])
    assert "moon" not in {source.name for source in installed()}
