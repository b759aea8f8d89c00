"""The suite cannot shrink unseen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from contract.hosts import HOST_KINDS

LEAST_CASES = 120
COLLECT_TIMEOUT_S = 100


@pytest.fixture(scope="module")
def collected() -> list[str]:
    """The suite's cases, as pytest finds them."""
    folder = Path(__file__).parent
    words = ("-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(folder))
    seen = subprocess.run(
        [sys.executable, *words],
        cwd=folder.parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=COLLECT_TIMEOUT_S,
    )
    return [line for line in seen.stdout.splitlines() if "::" in line and Path(__file__).name not in line]


@pytest.mark.parametrize("kind", HOST_KINDS)
def test_there_are_at_least_120_cases_on_a_runtime(collected: list[str], kind: str):
    assert sum(f"[{kind}" in case for case in collected) >= LEAST_CASES
