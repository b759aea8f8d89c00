"""Waiting for an engine of our own to answer."""

import subprocess
import time
from pathlib import Path

from engines.api import DockerApi
from engines.ending import POLL_INTERVAL_S

START_TIMEOUT_S = 60


def await_answer(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until an engine answers.

    Raises:
        RuntimeError: It ended or did not answer in time; the message has the end of its log.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    api = DockerApi(host)
    while not api.ping():
        ended = process.poll() is not None
        if ended or time.monotonic() > deadline:
            what = f"ended with {process.returncode}" if ended else f"did not answer in {START_TIMEOUT_S} s"
            raise RuntimeError(f"the engine {what}:\n{log.read_text('utf-8', errors='replace')[-2000:]}")
        time.sleep(POLL_INTERVAL_S)
