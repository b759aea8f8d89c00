"""``python -m devbench_mcp``."""

import sys

from devbench_mcp.main import main

if __name__ == "__main__":
    sys.exit(main())
