"""The same tests on an instrumented build, and the fuzzer for a bounded time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
AGENT = HERE.parent / "agent"
FUZZ_SECONDS = int(os.environ.get("DEVBENCH_AGENT_FUZZ_SECONDS", "20"))
BUILD_TIMEOUT_S = 300
SUITE_TIMEOUT_S = 900


def make(target: str, build: Path, **variables: str) -> None:
    options = [f"{name}={value}" for name, value in variables.items()]
    done = subprocess.run(
        ["make", "-C", str(AGENT), target, f"BUILD={build}", *options],
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.mark.slow
@pytest.mark.timeout(SUITE_TIMEOUT_S + BUILD_TIMEOUT_S)
def test_the_whole_suite_passes_under_the_sanitizers(tmp_path: Path, instrumented: bool):
    if instrumented:
        return  # this is that run
    make("asan", tmp_path)
    environment = os.environ | {
        "DEVBENCH_AGENT_TEST_BINARY": str(tmp_path / "devbench-agent-asan"),
        # The leak checker needs a process that can be traced, which the agent is not.
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    with tempfile.TemporaryDirectory() as folder:  # not in the test's own: a socket's path is short
        options = ["-q", "-p", "no:cacheprovider", "--no-cov", f"--basetemp={folder}/tests"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, str(HERE)],
            capture_output=True,
            text=True,
            timeout=SUITE_TIMEOUT_S,
            env=environment,
            cwd=HERE.parents[2],
            check=False,
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.timeout(FUZZ_SECONDS * 2 + 2 * BUILD_TIMEOUT_S)
@pytest.mark.parametrize("by_hand", ["", "1"])
def test_the_fuzzer_finds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instrumented: bool, by_hand: str
):
    if instrumented:
        return  # it is instrumented by itself
    clang = shutil.which("clang") or next((str(path) for path in Path("/usr/bin").glob("clang-[0-9]*")), "")
    assert clang, "clang is missing: install clang and its libclang-rt (libFuzzer)"
    if by_hand:
        monkeypatch.setenv("FUZZ_BY_HAND", by_hand)
    make("fuzz", tmp_path, FUZZ_SECONDS=str(FUZZ_SECONDS), FUZZ_CC=clang)
