"""What the tests set is what a program takes for the time of day, and nothing else of its time changes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from harness.chaos.clocks import clock, compiled

ASK = "import time; print(time.time()); print(time.monotonic()); input(); print(time.time())"


def test_a_running_process_has_its_clock_set(tmp_path: Path):
    own = clock(compiled(tmp_path), tmp_path / "ahead")
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", ASK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **own.environment},
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        assert abs(float(process.stdout.readline()) - time.time()) < 60
        assert abs(float(process.stdout.readline()) - time.monotonic()) < 60
        own.step(-7200)
        process.stdin.write("\n")
        process.stdin.flush()
        assert abs(float(process.stdout.readline()) + 7200 - time.time()) < 60
    finally:
        process.kill()
        process.communicate()
