"""The detector of standing loops finds what it must, and excuses what it may."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.loop_stall import BOUND_S, LoopWatch

LONGER_S = BOUND_S * 5
PATIENCE_S = 30.0
_SEEDED = """
import time
async def sleeps(duration_s):
    time.sleep(duration_s)
async def starts(duration_s):
    import threading
    class Late(threading.Thread):
        def _bootstrap(self):
            time.sleep(duration_s)
            super()._bootstrap()
    Late().start()
async def starts_and_goes_on(duration_s):
    await starts(duration_s)
    await sleeps(0.1)
async def spins(duration_s):
    deadline = time.thread_time() + duration_s
    while time.thread_time() < deadline:
        pass
"""


def _seeded(name: str, filename: str) -> Callable[[float], object]:
    """Compile a coroutine that blocks, as if it lived in that file."""
    scope: dict[str, Callable[[float], object]] = {}
    exec(compile(_SEEDED, filename, "exec"), scope)  # noqa: S102  # our own text, given a file name
    return scope[name]


def _run(function: Callable[[float], object], duration_s: float) -> list[str]:
    async def call() -> None:
        await function(duration_s)  # pyright: ignore[reportGeneralTypeIssues]  # a coroutine function compiled above

    watch = LoopWatch()
    with watch.installed():
        asyncio.run(call())
    return [str(stall) for stall in watch.take()]


@pytest.mark.loop_may_stall("on purpose")
@pytest.mark.parametrize("how", ["sleeps", "spins"])
def test_a_blocked_loop_is_reported_with_the_line_that_blocks(how: str):
    source = Path(__file__).resolve().parents[2] / "packages/devbench-core/src/devbench_core/slow.py"
    deadline_s = time.monotonic() + PATIENCE_S
    [stall] = _run(_seeded(how, str(source)), LONGER_S)
    while str(source) not in stall and time.monotonic() < deadline_s:
        [stall] = _run(_seeded(how, str(source)), LONGER_S)  # whoever looks got no processor in time
    assert str(source) in stall
    assert how in stall


def test_a_short_callback_is_no_stall():
    assert _run(_seeded("sleeps", "/somewhere/slow.py"), BOUND_S / 10) == []


@pytest.mark.loop_may_stall("on purpose")
@pytest.mark.parametrize("how", ["starts", "starts_and_goes_on"])
def test_waiting_for_a_new_thread_to_get_a_processor_is_excused(how: str):
    source = Path(__file__).resolve().parents[2] / "packages/devbench-core/src/devbench_core/slow.py"
    assert _run(_seeded(how, str(source)), LONGER_S) == []


@pytest.mark.loop_may_stall("on purpose")
def test_a_test_that_blocks_its_own_loop_is_excused():
    async def blocks(duration_s: float) -> None:
        time.sleep(duration_s)  # noqa: ASYNC251  # what is tested

    assert _run(blocks, LONGER_S) == []


def test_waiting_without_blocking_is_no_stall():
    assert _run(asyncio.sleep, LONGER_S) == []


def test_a_test_fails_when_the_code_under_it_blocks_the_loop(pytester: pytest.Pytester):
    pytester.makeconftest((Path(__file__).resolve().parents[2] / "conftest.py").read_text("utf-8"))
    pytester.makepyfile(slow="import time\nasync def stand_still():\n    time.sleep(0.6)\n")
    pytester.makepyfile(
        "import asyncio, sys\nsys.path.insert(0, '.')\nimport slow\n"
        "def test_it():\n    asyncio.run(slow.stand_still())\n"
    )
    pytester.makeini("[pytest]\npythonpath = " + str(Path(__file__).resolve().parents[1]))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*the event loop stood still for*", "*stand_still*"])
