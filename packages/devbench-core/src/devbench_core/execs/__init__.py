"""Commands: start, follow, wait for and cancel them; each accepted one gets exactly one ending."""

from devbench_core.execs.service import Execs

__all__ = ["Execs"]
