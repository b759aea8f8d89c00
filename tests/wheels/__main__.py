"""``python tests/wheels [PACKAGE…]``: builds everything, then composes from each (or each named) package alone."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from wheels import alone, build  # noqa: E402  # after the path is right


def main(names: list[str]) -> int:
    """Build, check and compose; the exit code."""
    build.build_all()
    build.test_agent()
    packages = alone.packages()
    for package in names or packages:
        for resolution in alone.RESOLUTIONS:
            alone.prove(packages[package], resolution)
    return 0


sys.exit(main(sys.argv[1:]))
