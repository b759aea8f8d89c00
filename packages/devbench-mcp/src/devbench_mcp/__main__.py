"""``devbench-mcp``, and ``python -m devbench_mcp``."""

import gc
import os
import sys


def main() -> int:
    """Run the program; returns its exit code."""
    # Pydantic runs what any installed package offers it as a plugin; here only what the configuration names runs.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    gc.disable()  # a start makes much and throws little away; `main` enables it when the work begins
    from devbench_mcp.main import main as serve

    return serve()


if __name__ == "__main__":
    sys.exit(main())
