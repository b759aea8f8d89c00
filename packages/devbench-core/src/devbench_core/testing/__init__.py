"""For authors of plugins and front ends: a bench on fakes (`fake`), the contracts as tests (`kit`), a local runtime."""

from devbench_core.testing.local import LocalPlugin, LocalRuntime

__all__ = ["LocalPlugin", "LocalRuntime"]
