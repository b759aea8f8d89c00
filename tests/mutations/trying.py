"""Runs the kit on faults in a process beside this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from devbench_core.testing.check.results import Outcome, Result, read_line
from mutations.kinds import KINDS, SOUND

TIMEOUT_S = 600
TESTS = Path(__file__).parents[1]
DROPPED = ("PYTHONDONTWRITEBYTECODE", "COVERAGE_", "CI", "BUILD_NUMBER")
"""The last two have pytest explain differences at any length, which takes minutes for a mebibyte of noise."""

APART = frozenset({"runtime"})
"""Kinds whose faults leave processes and can end that of the kit: each has one of its own."""

Clauses = list[str]
Tried = Mapping[tuple[str, str], "Future[dict[str, Clauses]]"]


def try_all(pool: ThreadPoolExecutor, clauses: Mapping[str, Clauses] | None = None) -> Tried:
    """Begin to try every fault, and what each is seeded into: by kind and sentence.

    Args:
        pool: Tries them.
        clauses: By fault the clauses to try it with; all of the suite where nothing is said.
    """
    only = clauses or {}
    tried: dict[tuple[str, str], Future[dict[str, Clauses]]] = {}
    for kind, faults in KINDS.items():
        sentences = [SOUND, *faults]
        for group in [[each] for each in sentences] if kind in APART else [sentences]:
            begun = pool.submit(clauses_that_fail, kind, {each: only.get(each, []) for each in group})
            tried |= {(kind, sentence): begun for sentence in group}
    return tried


def clauses_that_fail(kind: str, sentences: Mapping[str, Clauses]) -> dict[str, Clauses]:
    """Return by fault the clauses that catch it, in the order of the suite, each once whatever its cases.

    Raises:
        RuntimeError: Of one of them nothing was run.
    """
    command = [sys.executable, "-m", "mutations.run", kind]
    # Compiled files are kept whatever the shell says, and nothing is measured: a try is short, and both double it.
    environment = {name: text for name, text in os.environ.items() if not name.startswith(DROPPED)}
    done = subprocess.run(
        command,
        input=json.dumps(sentences),
        cwd=TESTS,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    found: dict[str, Clauses] = {}
    for line in done.stdout.splitlines():
        result = read_line(line)
        if isinstance(result, Result):
            failed = found.setdefault(result.provider, [])
            if result.outcome is Outcome.FAILED:
                failed.append(result.clause.partition(" [")[0])
    if missing := set(sentences) - set(found):
        raise RuntimeError(f"{kind}: the kit did not run on {missing}: {done.stderr[-2000:]}")
    return {sentence: list(dict.fromkeys(clauses)) for sentence, clauses in found.items()}
