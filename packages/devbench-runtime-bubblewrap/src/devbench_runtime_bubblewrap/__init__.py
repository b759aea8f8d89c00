"""The embedded default runtime of devbench: bubblewrap, no daemon, no image."""

from devbench_runtime_bubblewrap.plugin import plugin

__all__ = ["plugin"]
