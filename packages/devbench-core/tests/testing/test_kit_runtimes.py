"""The kit finds what is wrong with a runtime, and says which clause that breaks."""

from __future__ import annotations

import pytest

CONFTEST = 'pytest_plugins = ["devbench_core.testing.pytest_plugin"]\n'
AUTHOR = """
import pytest
from devbench_core.testing.kit import Claims, RuntimeContract, Trait
from devbench_core.testing.local import LocalPlugin, LocalSettings

(PROVIDER,) = LocalPlugin().devbench_runtimes()

class TestMyRuntime(RuntimeContract):
    @pytest.fixture
    def open_runtime(self):
        return lambda context: PROVIDER.open(LocalSettings(), context)

    @pytest.fixture
    def claims(self):
        return Claims(enforces=frozenset(), images=False, traits={Trait.EXIT_CODES, Trait.SEEN_PROCESSES})

    @pytest.fixture
    def image(self):
        return lambda runtime: runtime.resolve_image("host")
"""
BROKEN = """
from contextlib import asynccontextmanager
import pytest
from devbench_core.errors import ContainerNotFound, EngineFailed, EngineUnreachable
from devbench_core.model.container import Status
from devbench_core.model.policy import Clause
from devbench_core.testing.kit import Claims, RuntimeContract, Trait
from devbench_core.testing.local import LocalRuntime

class Honest(LocalRuntime):
    lost = False
    def answers(self):
        if self.lost:
            raise EngineUnreachable("nobody is there")
    async def ping(self):
        self.answers()
        return await super().ping()
    async def create(self, request):
        self.answers()
        return await super().create(request)
    async def start(self, ref):
        self.answers()
        await super().start(ref)
    async def remove(self, ref):
        self.answers()
        await super().remove(ref)
    async def inspect(self, ref):
        self.answers()
        return await super().inspect(ref)
    async def list(self, installation):
        self.answers()
        async for seen in super().list(installation):
            yield seen
    async def resolve_image(self, name):
        self.answers()
        return await super().resolve_image(name)

class Twice:
    def __init__(self, stream):
        self.stream, self.write, self.close, self.again = stream, stream.write, stream.close, b""
    async def read(self):
        if self.again:
            again, self.again = self.again, b""
            return again
        self.again = await self.stream.read()
        return self.again

class Broken(Honest):
    FAULT

class TestBroken(RuntimeContract):
    @pytest.fixture
    def open_runtime(self, tmp_path):
        @asynccontextmanager
        async def opened(context):
            yield Broken(tmp_path / "local")
        return opened

    @pytest.fixture
    def open_cut_off(self, tmp_path):
        @asynccontextmanager
        async def opened(context):
            runtime = Broken(tmp_path / "local")
            runtime.lost = True
            yield runtime
        return opened

    @pytest.fixture
    def claims(self):
        return CLAIMS

    @pytest.fixture
    def image(self):
        return lambda runtime: runtime.resolve_image("host")
"""
USUAL = "Claims(enforces=frozenset(), images=False, traits={Trait.EXIT_CODES, Trait.SEEN_PROCESSES})"
NO_FAULT = "pass"
SHOWS_ALL = """async def list(self, installation):
        for folder in self._root.iterdir():
            yield await self.inspect(str(folder))
"""
MISSES_THE_ABSENT = """async def remove(self, ref):
        await self.inspect(ref)
        await super().remove(ref)
"""
TAKES_SILENCE_FOR_ABSENCE = """async def inspect(self, ref):
        try:
            return await super().inspect(ref)
        except EngineUnreachable as error:
            raise ContainerNotFound("gone") from error
"""
STARTS_ONCE_ONLY = """async def start(self, ref):
        if (await self.inspect(ref)).status is Status.RUNNING:
            raise EngineFailed("it runs already")
        await super().start(ref)
"""
STUTTERS = """async def connect(self, ref):
        return Twice(await super().connect(ref))
"""
RUNTIME = "devbench_core.contracts.runtime.Runtime"
STREAM = "devbench_core.contracts.stream.ByteStream"


@pytest.fixture
def author(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder of a plugin's author, who has configured nothing of pytest."""
    pytester.makeconftest(CONFTEST)
    return pytester


def run_broken(author: pytest.Pytester, test: str, *, fault: str = NO_FAULT, claims: str = USUAL):
    author.makepyfile(BROKEN.replace("FAULT", fault).replace("CLAIMS", claims))
    return author.runpytest_subprocess("-p", "no:cacheprovider", "-rs", "-k", test)


def test_a_runtime_is_tested_by_a_class_and_three_fixtures(author: pytest.Pytester):
    author.makepyfile(AUTHOR)
    result = author.runpytest_subprocess("-p", "no:cacheprovider", "-rs")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed", "skipped"}
    assert outcomes["passed"] > 35
    for name in ("memory", "own_root", "SupportsUsers, exec_users", "SupportsPull"):
        result.stdout.fnmatch_lines([f"SKIPPED*not claimed: {name}"])


@pytest.mark.parametrize(
    ("fault", "clause", "source", "text"),
    [
        (
            SHOWS_ALL,
            "each installation sees its own only",
            f"{RUNTIME}.list",
            "and over no others",
        ),
        (
            MISSES_THE_ABSENT,
            "removing twice at once and again is fine",
            f"{RUNTIME}.remove",
            "Removing what is absent or half removed succeeds",
        ),
        (
            TAKES_SILENCE_FOR_ABSENCE,
            "an engine that does not answer is unreachable and nothing is gone",
            f"{RUNTIME}.inspect",
            "ContainerNotFound: The engine answered that it has no such container",
        ),
        (
            STARTS_ONCE_ONLY,
            "starting twice is starting once",
            f"{RUNTIME}.start",
            "Starting a running container does nothing",
        ),
        (
            STUTTERS,
            "every byte arrives once and in order on the first stream and on later ones",
            f"{STREAM}.read",
            "in order, as soon as any are there",
        ),
    ],
    ids=["shows all", "misses the absent", "takes silence for absence", "starts once only", "stutters"],
)
def test_a_broken_runtime_fails_and_hears_which_clause_and_who_states_it(
    author: pytest.Pytester, fault: str, clause: str, source: str, text: str
):
    test = f"test_{clause.replace(' ', '_')}"
    result = run_broken(author, test, fault=fault)
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines_random([f"*The clause: {clause}.", f"*Stated by {source}:", f"*{text}*"])
    assert run_broken(author, test).parseoutcomes() == {"passed": 1, "deselected": 67}


def test_a_runtime_that_shows_less_than_its_author_claims_fails(author: pytest.Pytester):
    result = run_broken(
        author, "exactly_what", claims="Claims(enforces=frozenset({Clause.PIDS}), images=False)"
    )
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(
        [
            "*Clause.PIDS*",
            "*The clause: it shows exactly what is claimed.",
            "*Stated by devbench_core.contracts.runtime.Runtime.capabilities:",
        ]
    )


def test_a_runtime_that_has_a_power_its_author_does_not_claim_fails(author: pytest.Pytester):
    result = run_broken(
        author, "powers", fault="async def stats(self, ref):\n        raise NotImplementedError"
    )
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(
        ["*SupportsStats*", "*Stated by devbench_core.contracts.powers.SupportsStats:"]
    )


def test_who_claims_nothing_fails(author: pytest.Pytester):
    nothing = "Claims(enforces=frozenset(), images=False, traits=frozenset())"
    result = run_broken(author, "something_is_claimed", claims=nothing)
    result.assert_outcomes(failed=1, deselected=67)
    result.stdout.fnmatch_lines(["*nothing at all is claimed, so nothing would be tested*"])


def test_a_container_that_is_left_over_fails_its_test(author: pytest.Pytester):
    result = run_broken(author, "only_made", fault="async def remove(self, ref):\n        pass")
    outcomes = result.parseoutcomes()
    assert (outcomes["failed"], outcomes["errors"]) == (1, 1)
    result.stdout.fnmatch_lines(["*must leave nothing*"])


def test_without_a_compiler_a_test_fails_and_says_what_to_install(
    author: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "/nonexistent")
    author.makepyfile(AUTHOR)
    result = author.runpytest_subprocess("-p", "no:cacheprovider", "-k", "a_writer_waits")
    assert result.parseoutcomes()["errors"] == 1
    result.stdout.fnmatch_lines(["*there is none of gcc,*install a C compiler*Debian*libc6-dev*"])
