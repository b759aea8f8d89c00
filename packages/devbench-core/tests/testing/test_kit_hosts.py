"""The kit finds what is wrong with a runtime beneath a host, and says which clause that breaks."""

from __future__ import annotations

import pytest

CONFTEST = 'pytest_plugins = ["devbench_core.testing.pytest_plugin"]\n'
AUTHOR = """
from contextlib import asynccontextmanager

import pytest
from devbench_core.contracts.provider import Provider
from devbench_core.hookspecs import hookimpl
from devbench_core.testing.fake import FakePlugin
from devbench_core.testing.kit import Claims, HostContract, Trait
from devbench_core.testing.local import LocalRuntime, LocalSettings

class Mine(LocalRuntime):
    FAULT

@asynccontextmanager
async def opened(settings, context):
    yield Mine(context.state_dir)

class MyPlugin:
    @hookimpl
    def devbench_runtimes(self):
        return [Provider(name="mine", settings=LocalSettings, open=opened)]

class TestMyHost(HostContract):
    @pytest.fixture(scope="class")
    @classmethod
    def host_plugins(cls, tmp_path_factory):
        return [MyPlugin(), FakePlugin(tmp_path_factory.mktemp("fakes"))]

    @pytest.fixture(scope="class")
    @classmethod
    def host_config(cls, tmp_path_factory):
        state = str(tmp_path_factory.mktemp("state"))
        return {"plugins": [], "runtime": "mine", "store": "fake", "state_dir": state}

    @pytest.fixture(scope="class")
    @classmethod
    def claims(cls):
        return Claims(enforces=frozenset(), images=False, traits=TRAITS)
"""
USUAL = "{Trait.EXIT_CODES, Trait.SEEN_PROCESSES, Trait.SHELL}"
NO_FAULT = "pass"
STOPS_ONLY = """async def remove(self, ref):
        await self.stop(ref, grace_s=1)
"""
SHOWS_NOTHING = """async def list(self, installation):
        return
        yield
"""
CONTAINERS = "devbench_core.containers.service.Containers"


@pytest.fixture
def author(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder of a plugin's author, who has configured nothing of pytest."""
    pytester.makeconftest(CONFTEST)
    return pytester


def run(author: pytest.Pytester, words: str, *, fault: str = NO_FAULT, traits: str = USUAL):
    author.makepyfile(AUTHOR.replace("FAULT", fault).replace("TRAITS", traits))
    return author.runpytest_subprocess("-p", "no:cacheprovider", "-rs", "-k", words)


def test_a_host_is_tested_by_a_class_and_what_is_not_claimed_is_skipped_by_name(author: pytest.Pytester):
    result = run(
        author, "hosts_runtime_shows or reconciliation_finds or as_a_wrong_user or root_that_the_image"
    )
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed", "skipped", "deselected"}
    result.stdout.fnmatch_lines_random(["SKIPPED*not claimed: own_root", "SKIPPED*not claimed: non_root"])
    result = run(author, "shell_sees or deadly", traits="{Trait.EXIT_CODES}")
    assert set(result.parseoutcomes()) == {"skipped", "deselected"}
    result.stdout.fnmatch_lines(["SKIPPED*not claimed: shell"])


def test_a_claim_of_nothing_at_all_fails(author: pytest.Pytester):
    result = run(author, "claimed_of_the_host", traits="frozenset()")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(["*nothing at all is claimed, so nothing would be tested*"])


@pytest.mark.parametrize(
    ("fault", "clause", "source"),
    [
        (
            STOPS_ONLY,
            "a kill takes everything away and what happened can be asked later",
            "kill",
        ),
        (SHOWS_NOTHING, "reconciliation finds nothing more to do", "reconcile"),
    ],
    ids=["stops only", "shows nothing"],
)
def test_a_broken_runtime_fails_beneath_a_host_and_hears_which_clause(
    author: pytest.Pytester, fault: str, clause: str, source: str
):
    result = run(author, f"test_{clause.replace(' ', '_')}", fault=fault)
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines_random([f"*The clause: {clause}.", f"*Stated by {CONTAINERS}.{source}:"])


SOMEBODYS = """
    @pytest.fixture(scope="class")
    @classmethod
    def host_config(cls, host_plugins, tmp_path_factory):
        import asyncio
        import devbench_core
        from concurrent.futures import ThreadPoolExecutor
        from devbench_core.containers import SpawnRequest
        from pathlib import Path
        folder = Path("somebodys").absolute()
        config = {
            "plugins": [], "runtime": "mine", "store": "fake",
            "state_dir": str(folder / "state"), "cache_dir": str(folder / "cache"),
            "policy": {"tolerate_absent": ALL},
        }
        async def somebody():
            async with devbench_core.open(config, plugins=host_plugins) as bench:
                await bench.containers.spawn(SpawnRequest(persistent=True))
        with ThreadPoolExecutor(1) as beside:  # a loop runs here
            beside.submit(asyncio.run, somebody()).result()
        return config
"""


def test_an_installation_that_has_containers_already_is_refused_and_nothing_of_it_is_touched(
    author: pytest.Pytester,
):
    cases = AUTHOR.replace("FAULT", NO_FAULT).replace("TRAITS", USUAL) + SOMEBODYS
    author.makepyfile("from devbench_core.model.policy import Clause\nALL = [*Clause]\n" + cases)
    result = author.runpytest_subprocess("-p", "no:cacheprovider", "-k", "hosts_runtime_shows")
    assert result.parseoutcomes()["errors"] == 1
    result.stdout.fnmatch_lines(["*the installation has 1 containers already, for example c_*"])
    left = [path.name for path in (author.path / "somebodys").rglob("c_*") if path.is_dir()]
    assert len(left) == 1, left
