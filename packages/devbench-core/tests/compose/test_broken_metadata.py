"""A distribution with broken metadata hides no other plugin, and never runs."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from devbench_core.compose import Composition, compose
from devbench_core.compose.discovery import KNOWN_DISTRIBUTIONS, installed, load
from devbench_core.config.load import from_values
from devbench_core.errors import CompositionFailed

Install = Callable[..., Path]
PACKAGES = Path(__file__).parents[3]
SOURCE = "raise SystemExit('imported')"


def without_metadata(info: Path) -> None:
    (info / "METADATA").unlink()


def without_version(info: Path) -> None:
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-moon\n")


def with_another_name(info: Path) -> None:
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-sun\nVersion: 1.0\n")


def with_the_name_of_ours(info: Path) -> None:
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: devbench-absent\nVersion: 1.0\n")


BREAKS = [without_metadata, without_version, with_another_name]


def composed(**values: object) -> Composition:
    return compose(from_values({"store": "memory", **values}))


def test_only_what_ships_from_here_runs_unnamed_and_is_recommended():
    shipped: dict[str, str] = {}
    for file in PACKAGES.glob("*/pyproject.toml"):
        project = tomllib.loads(file.read_text())["project"]
        for name in project.get("entry-points", {}).get("devbench.v1", {}):
            shipped[name] = project["name"]
    assert shipped == KNOWN_DISTRIBUTIONS


@pytest.mark.parametrize("spoil", BREAKS)
def test_a_broken_plugin_that_nobody_named_ends_no_composition(
    install: Install, spoil: Callable[[Path], None]
):
    spoil(install("moon", SOURCE))
    assert {"docker", "sql", "bubblewrap"} <= {source.name for source in composed().plugins}


@pytest.mark.parametrize("spoil", BREAKS)
def test_a_broken_plugin_that_is_named_is_a_fault_with_its_name_and_advice(
    install: Install, spoil: Callable[[Path], None]
):
    spoil(install("moon", SOURCE))
    with pytest.raises(CompositionFailed) as caught:
        composed(plugins=["moon", "bubblewrap"])
    (fault,) = caught.value.faults
    assert fault.startswith("plugin 'moon' (")
    assert "its metadata in " in fault
    assert "reinstall it, or leave 'moon' out of `plugins`" in fault


@pytest.mark.parametrize("spoil", BREAKS)
def test_a_broken_plugin_is_among_the_installed_with_its_fault(
    install: Install, spoil: Callable[[Path], None]
):
    spoil(install("moon", SOURCE))
    (moon,) = [source for source in installed() if source.name == "moon"]
    assert moon.fault
    assert not moon.is_own


def test_a_distribution_whose_folder_has_another_name_is_not_taken_for_ours(
    install: Install, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(KNOWN_DISTRIBUTIONS, "moon", "devbench-absent")
    with_the_name_of_ours(install("moon", SOURCE))
    assert "moon" not in {source.name for source in composed().plugins}


def test_a_broken_one_beside_a_sound_one_of_the_same_name_is_skipped(install: Install):
    without_metadata(install("moon", SOURCE, distribution="acme-old"))
    install("moon", "plugin = object()", distribution="acme-new")
    faults: list[str] = []
    assert [found.source.distribution for found in load(["moon"], faults)] == ["acme-new"]
    assert faults == []


def test_entry_points_that_cannot_be_read_hide_no_other_plugin(install: Install):
    info = install("moon", SOURCE)
    (info / "entry_points.txt").write_bytes(b"[devbench.v1]\n\xff = x:y\n")
    assert "docker" in {source.name for source in installed()}


def test_a_runtime_whose_plugin_is_broken_is_refused_with_the_fault(install: Install):
    without_metadata(install("moon", SOURCE))
    with pytest.raises(CompositionFailed) as caught:
        composed(runtime="moon")
    assert any("runtime 'moon': " in fault and "cannot be read" in fault for fault in caught.value.faults)
