"""``python -m devbench_core.testing.check.run``: runs the kit on one provider, and writes a line for each clause.

A process of its own, since a plugin that hangs or ends the process must not take the asking program with it. The
plugin's settings, and examples of its tools, come as JSON on its input, not as an argument, which all users of the
machine could read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from devbench_core.errors import DevbenchError
from devbench_core.testing.check.recorder import Recorder
from devbench_core.testing.check.subject import HOOKS, Subject

FINE = frozenset({pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED})
SUITES = Path(__file__).parent / "suites"


def main() -> int:
    """Run; return 0 when every clause holds, 1 when one does not, 2 when the plugin cannot be tested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plugin", required=True)
    parser.add_argument("--kind", required=True, choices=sorted(HOOKS))
    parser.add_argument("--provider", required=True)
    parser.add_argument("--image", action="append", default=[], help="of a runtime or a scanner")
    parser.add_argument("--select", default="", help="only clauses with these words, as pytest's -k")
    asked = parser.parse_args()
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a plugin prints is not a result
    try:
        told = json.loads(sys.stdin.read() or "{}")
        subject = Subject.find(
            asked.plugin,
            asked.kind,
            asked.provider,
            told.get("settings", {}),
            images=tuple(asked.image),
            examples=told.get("examples"),
        )
    except DevbenchError as error:
        sys.stderr.write(f"{error.message}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="devbench-check-") as folder:
        recorder = Recorder(subject, lines)
        arguments = [
            str(SUITES / f"suite_{asked.kind}.py"),
            "-q",
            "--tb=short",
            "--noconftest",
            "-p",
            "no:cacheprovider",
        ]
        arguments += ["-c", os.devnull, f"--rootdir={SUITES}", f"--basetemp={folder}/tests"]
        arguments += ["-k", asked.select] if asked.select else []
        code = pytest.main([*arguments, "-p", "devbench_core.testing.pytest_plugin"], plugins=[recorder])
    if code not in FINE:
        return 2
    recorder.end()
    return int(code == pytest.ExitCode.TESTS_FAILED)


if __name__ == "__main__":
    sys.exit(main())
