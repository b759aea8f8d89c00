"""The tool git-clone for devbench."""

from devbench_tool_git_clone.plugin import plugin

__all__ = ["plugin"]
