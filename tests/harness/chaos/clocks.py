"""A wall clock that can be set for one process alone, while it runs."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import attrs

SOURCE = Path(__file__).parent / "stepped_clock.c"
VARIABLE = "STEPPED_CLOCK"
COMPILE_S = 60.0


@attrs.frozen
class Clock:
    """What a process takes for the time of day, together with what it starts.

    Attributes:
        library: Is loaded before all others.
        offset: A file with the seconds by which the clock is ahead.
    """

    library: Path
    offset: Path

    @property
    def environment(self) -> dict[str, str]:
        """Variables of whoever shall live by it."""
        return {"LD_PRELOAD": str(self.library), VARIABLE: str(self.offset)}

    def step(self, seconds: int) -> None:
        """Set it so far ahead of the true time; negative is behind."""
        with self.offset.open("r+b", buffering=0) as file:
            file.write(struct.pack("q", seconds))


def compiled(folder: Path) -> Path:
    """Return the library that makes it possible."""
    library = folder / "stepped_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, SOURCE], check=True, timeout=COMPILE_S)
    return library


def clock(library: Path, offset: Path) -> Clock:
    """Return one that is right."""
    offset.write_bytes(struct.pack("q", 0))
    return Clock(library, offset)
