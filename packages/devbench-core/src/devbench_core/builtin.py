"""What ships with core, registered as plugins like any other."""

from __future__ import annotations

from importlib.metadata import version

from devbench_core.compose.discovery import Found, PluginSource


def builtin_plugins() -> tuple[Found, ...]:
    """Return the built-in plugins: in-memory store and local lock, the standard tools, the lifespans."""
    from devbench_core.containers.lifespans import plugin as lifespans
    from devbench_core.memory import plugin as memory
    from devbench_core.tools import plugin as tools

    own = version("devbench-core")  # reads and parses a file
    return tuple(
        Found(
            source=PluginSource(
                name=f"built-in {name}",
                distribution="devbench-core",
                version=own,
                target=type(plugin).__module__,
            ),
            plugin=plugin,
        )
        for name, plugin in (("memory", memory), ("tools", tools), ("lifespans", lifespans))
    )
