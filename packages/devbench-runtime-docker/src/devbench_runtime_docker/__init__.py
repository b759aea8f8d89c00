"""Docker Engine as a runtime of devbench."""

from devbench_runtime_docker.plugin import plugin

__all__ = ["plugin"]
