"""Command line: ``up``, ``stop``, ``status`` and ``run -- COMMAND``."""

import sys

from engines.commands import main

sys.exit(main(sys.argv[1:]))
