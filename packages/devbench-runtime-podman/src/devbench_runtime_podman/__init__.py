"""Podman as a runtime of devbench."""

from devbench_runtime_podman.plugin import plugin

__all__ = ["plugin"]
