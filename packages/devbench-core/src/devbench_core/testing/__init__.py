"""For authors of tests: a runtime without any engine."""

from devbench_core.testing.local import LocalPlugin, LocalRuntime

__all__ = ["LocalPlugin", "LocalRuntime"]
