"""``python tests/cgroup2 [PYTEST ARGUMENT…]``: boots the machine, runs the tests in it, and tells how they ended."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from cgroup2.session import main  # after the path is right

sys.exit(main(sys.argv[1:]))
