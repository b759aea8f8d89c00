"""Compiled Python that the machine reads: compiling is what takes it longest, and need not be done at each boot."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cgroup2.roles import REPOSITORY, ROLES, VERSION_2_VARIABLE
from engines.places import cache_folder
from engines.progress import say

COMPILE_TIMEOUT_S = 300


def provide() -> Path:
    """Return the folder of compiled modules, filled here at first; the machine adds what it misses.

    A module that has changed is compiled again by Python itself.
    """
    folder = cache_folder() / "bytecode"
    if folder.exists():
        return folder
    say("compiling what the tests import")
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="devbench-bytecode-", dir="/var/tmp") as home:
        variables = {
            "PYTHONPYCACHEPREFIX": str(folder),
            VERSION_2_VARIABLE: "compiled",
            "HOME": home,
            "DEVBENCH_STATE_DIR": f"{home}/state",
        }
        environment = {**os.environ, **variables}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        collect = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--collect-only",
            "-p",
            "no:cacheprovider",
            *ROLES[0].tests,
        ]
        doctor = [str(Path(sys.executable).with_name("devbench")), "doctor", "--json"]
        for argv in (collect, doctor):
            subprocess.run(
                argv,
                cwd=REPOSITORY,
                env=environment,
                check=False,
                capture_output=True,
                timeout=COMPILE_TIMEOUT_S,
            )
    return folder
