"""Which file an entry point names, found without running any of it."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path


def file_of(target: str) -> Path | None:
    """Return the file of the module of ``module:object``, None when there is none.

    Importing a module imports the packages around it, and so would asking the import system for it; here only the
    first of them is looked up, which imports nothing, and the others as files in its folder.
    """
    module = target.partition(":")[0].strip()
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded:
        return Path(loaded)
    first, *others = module.split(".")
    spec, name = _first(first), first
    for part in others:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def _first(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (ImportError, ValueError):
        return None
