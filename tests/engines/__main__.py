"""Command line: ``up``, ``stop``, ``status`` and ``run -- COMMAND``; also runs as ``python tests/engines …``."""

import sys
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from engines.commands import main  # after the path is right

sys.exit(main(sys.argv[1:]))
