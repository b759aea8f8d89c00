"""Files of a workspace: one intent, one request to the agent."""

from devbench_core.files.service import Files

__all__ = ["Files"]
