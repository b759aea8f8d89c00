"""Persistent shells: opened once, given scripts one after the other, closed when nobody needs them."""

from devbench_core.shells.service import Shells

__all__ = ["Shells"]
