"""Finds what is deprecated in source, and what is wrong with how that is said or with its still being there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

Version = tuple[int, int]
FORM = "`NAME` is deprecated since 0.3 and is removed in 0.5: use `OTHER`"
_FORM = re.compile(r"`[^`]+` is deprecated since (\d+)\.(\d+) and is removed in (\d+)\.(\d+): use `[^`]+`.*")


def faults(source: str, version: Version) -> Iterator[str]:
    """Yield what is wrong with the deprecations in a module, as ``line N: what``.

    Args:
        source: Of the module.
        version: The one that is being made.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _deprecates(node):
            fault = _fault(node, version)
            if fault:
                yield f"line {node.lineno}: {fault}"


def _deprecates(call: ast.Call) -> bool:
    """Tell whether it is ``deprecated(…)``, or ``warn(…)`` with a `DeprecationWarning`."""
    name = ast.unparse(call.func).rpartition(".")[2]
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    warns = any(isinstance(each, ast.Name) and each.id == "DeprecationWarning" for each in given)
    return name == "deprecated" or (name == "warn" and warns)


def _fault(call: ast.Call, version: Version) -> str:
    first = call.args[0] if call.args else None
    text = first.value if isinstance(first, ast.Constant) else None
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return f"its message is not of the form {FORM!r}"
    since, removed = (int(found[1]), int(found[2])), (int(found[3]), int(found[4]))
    if not _warn_two_releases(since, removed):
        return f"since {_text(since)}, removed in {_text(removed)}: two minor releases must warn before"
    if version >= removed:
        return (
            f"it is past its removal: this is {_text(version)}, and it was to be removed in {_text(removed)}"
        )
    return ""


def _warn_two_releases(since: Version, removed: Version) -> bool:
    """Tell whether there are two minor releases between; a major version may follow any minor one, so that is one."""
    if removed[0] == since[0]:
        return removed[1] >= since[1] + 2
    return removed >= (since[0] + 1, 1)


def _text(version: Version) -> str:
    return ".".join(map(str, version))
