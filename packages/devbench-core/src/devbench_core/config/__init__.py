"""The configuration: one file, overridden by variables, every fault named."""

from devbench_core.config.load import Loaded, load_settings
from devbench_core.config.settings import AUTO, Settings

__all__ = ["AUTO", "Loaded", "Settings", "load_settings"]
