"""The smallest program there is: what it takes to run it is what the engine takes.

``true`` of a C library spends longer in that library's start than all else takes together: on a virtual machine glibc's
questions to the processor (CPUID) are answered by the hypervisor, about half a millisecond for each start.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

NAME = "nothing"
SOURCE = "#include <unistd.h>\nvoid _start(void) { _exit(0); }\n"


def build() -> bytes:
    """Return the program, which ends with 0 before any library starts."""
    with tempfile.TemporaryDirectory(prefix="devbench-nothing-") as folder:
        source, program = Path(folder, "nothing.c"), Path(folder, NAME)
        source.write_text(SOURCE)
        subprocess.run(
            ["gcc", "-Os", "-static", "-nostartfiles", "-o", str(program), str(source)],
            check=True,
        )
        return program.read_bytes()
