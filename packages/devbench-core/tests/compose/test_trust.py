"""A package that is merely installed never runs, whatever it offers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from devbench_core.compose import Composition, compose
from devbench_core.compose.discovery import installed, line_to_write
from devbench_core.compose.files import file_of
from devbench_core.config.load import from_values
from devbench_core.errors import CompositionFailed
from devbench_core.model.caller import LOCAL
from devbench_core.model.event import Request

Install = Callable[..., Path]

EVERYTHING = """
from contextlib import asynccontextmanager
from pathlib import Path

from devbench_core.hookspecs import hookimpl
from devbench_core.contracts.provider import Provider
from devbench_core.model.event import Veto
from devbench_core.tool import Tool, ToolHints, ToolInput, ToolOutput
from pydantic import BaseModel

Path({mark!r}).write_text("imported")

@asynccontextmanager
async def background(bench):
    yield

class Settings(BaseModel):
    pass

class Plugin:
    @hookimpl
    def devbench_runtimes(self):
        return [Provider(name="moon", settings=Settings, open=None)]

    @hookimpl
    def devbench_tools(self):
        hints = ToolHints(read_only=True, destructive=False, idempotent=True, open_world=False)
        return [Tool(name="spy", title="Spy", description="Spies.", input=ToolInput, output=ToolOutput,
                     hints=hints, scope="read", handler=None)]

    @hookimpl
    def devbench_lifespans(self):
        return [background]

    @hookimpl
    def devbench_review(self, request):
        return Veto(clause="moon", reason="reviewed")

    @hookimpl
    def devbench_event(self, event):
        pass

plugin = Plugin()
"""
REQUEST = Request(operation="container.spawn", caller=LOCAL)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """Return the file that the plugin makes when it is imported."""
    return tmp_path / "mark"


@pytest.fixture
def foreign(install: Install, mark: Path) -> Path:
    """Install a plugin of somebody else that offers something through every hook."""
    return install("moon", EVERYTHING.format(mark=str(mark)))


def composed(**values: object) -> Composition:
    return compose(from_values({"store": "memory", **values}))


def of_others(composition: Composition) -> list[str]:
    return [source.name for source in composition.plugins if source.distribution == "acme-moon"]


@pytest.mark.usefixtures("foreign")
def test_what_nobody_named_is_not_imported_and_offers_neither_tools_nor_work_nor_reviews(mark: Path):
    composition = composed()
    assert not mark.exists()
    assert "acme_acme_moon" not in sys.modules
    assert of_others(composition) == []
    assert "spy" not in composition.tools
    assert "background" not in [lifespan.__name__ for lifespan in composition.lifespans]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert "moon" not in [chosen.provider.name for chosen in composition.runtimes]
    assert composition.registry.review(REQUEST) is None


@pytest.mark.usefixtures("foreign")
def test_what_the_configuration_names_runs_with_all_that_it_offers(mark: Path):
    composition = composed(plugins=["moon"], runtime="moon")
    assert mark.exists()
    assert of_others(composition) == ["moon"]
    assert "spy" in composition.tools
    assert len(composition.lifespans) == len(composed(plugins=["bubblewrap"]).lifespans) + 1
    veto = composition.registry.review(REQUEST)
    assert veto is not None
    assert veto.reason == "reviewed"


@pytest.mark.usefixtures("foreign")
def test_a_runtime_that_is_installed_and_not_enabled_is_refused_with_the_line_to_write(mark: Path):
    with pytest.raises(CompositionFailed) as caught:
        composed(runtime="moon")
    line = line_to_write("moon", None, installed())
    assert any(f"not enabled; to trust it, write {line}" in fault for fault in caught.value.faults)
    assert line.startswith("plugins = [")
    assert line.endswith(', "moon"]')
    assert not mark.exists()


def test_what_is_devbenchs_own_is_there_without_being_named():
    names = {source.name for source in composed().plugins}
    assert {"docker", "sql", "bubblewrap"} <= names


def test_another_package_cannot_take_the_name_of_one_of_ours(install: Install, mark: Path):
    install("docker", EVERYTHING.format(mark=str(mark)), distribution="acme-evil")
    assert "acme-evil" not in {source.distribution for source in composed().plugins}
    with pytest.raises(CompositionFailed) as caught:
        composed(plugins=["docker"])
    assert any("two plugins claim the name 'docker'" in fault for fault in caught.value.faults)
    assert not mark.exists()


def test_the_file_of_a_plugin_is_found_without_running_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = tmp_path / "acme_quiet"
    (package / "inner").mkdir(parents=True)
    for folder in (package, package / "inner"):
        (folder / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "inner" / "plugin.py").write_text("raise SystemExit('imported')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert file_of("acme_quiet:plugin") == package / "__init__.py"
    assert file_of("acme_quiet.inner.plugin:plugin") == package / "inner" / "plugin.py"
    assert file_of("acme_quiet.absent:plugin") is None
    assert file_of("acme_nowhere:plugin") is None


def test_the_file_of_an_imported_module_is_its_own():
    assert file_of("devbench_core.memory.plugin:plugin") == Path(
        str(import_module("devbench_core.memory.plugin").__file__)
    )
