"""Which calls may be made again when their answer was lost, and what to tell of the others."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import attrs

from devbench_core.errors import DevbenchError, OutcomeUnknown
from devbench_core.ids import CONTAINER, is_id
from devbench_core.tool import Tool
from devbench_core.tools.catalogue import TOOLS

KEY = "idempotency_key"
KEYED = frozenset({"spawn", "exec_start", "run"})
"""They take a key, with which the second call finds what the first one began."""
KEYED_BY_US = frozenset({"spawn", "exec_start"})
"""They are given one of ours; a command of `run` would outlive its call for it."""
NOT_TWICE = frozenset({"shell_cancel", "fs_batch"})
"""Called idempotent, and not told apart here: a later run may be the one that is cancelled; operations may append."""
TWICE = frozenset({"exec_resize"})
CONDITIONAL = frozenset({"fs_write", "fs_edit", "fs_move", "fs_copy", "fs_chmod", "fs_delete"})
"""With an etag (`if_match`) the second one does nothing where the first one did something."""
OURS_OR_NOT = frozenset({"conflict", "file_conflict", "file_not_found", "edit_failed"})
"""What a repeat is told when the first one was done, and also when it never could have been."""
NOT_NOW = frozenset({"store_failed", "lock_failed", "lease_lost"})
"""What a host says that stops, or that cannot reach what it shares with the others."""
BY_ID = frozenset({"kill"})
"""Once it was done the alias is free: a second one would meet whoever has taken it since."""
LOOK: Mapping[str, str] = {
    "kill": "devbench inspect CONTAINER tells whose it is now; an id, instead of an alias, is ended safely again",
    "exec_input": "see what came of it with devbench logs EXEC; devbench attach EXEC goes on typing at a terminal",
    "shell_open": "devbench shells list CONTAINER tells whether it was opened",
    "shell_run": "devbench shells read SHELL tells whether it runs",
    "shell_input": "devbench shells read SHELL tells what came of it",
    "shell_cancel": "devbench shells list CONTAINER tells whether something runs",
}
BY_NAME: Mapping[str, Tool] = {tool.name: tool for tool in TOOLS}


@attrs.frozen(kw_only=True)
class Asked:
    """A call, as it is made and repeated.

    Attributes:
        tool: Which.
        arguments: With a key where the tool takes one.
        key: That key when it is ours, else None.
        only_looks: Whether it changes nothing.
        is_safe: Whether doing it twice is as doing it once.
    """

    tool: str
    arguments: Mapping[str, object]
    key: str | None
    only_looks: bool
    is_safe: bool

    @classmethod
    def of(cls, tool: str, arguments: Mapping[str, object]) -> Asked:
        """Return a call of a tool; those that take a key get one."""
        key = secrets.token_hex(16) if tool in KEYED_BY_US and not arguments.get(KEY) else None
        given = dict(arguments) if key is None else {**arguments, KEY: key}
        known = BY_NAME.get(tool)
        return cls(
            tool=tool,
            arguments=given,
            key=key,
            only_looks=known is not None and known.hints.read_only,
            is_safe=_is_safe(tool, given),
        )

    def answer(self, structured: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an answer as the caller of this one call sees it: nobody else has our key."""
        return structured if self.key is None else {**structured, "replayed": False}

    def is_ambiguous(self, error: DevbenchError) -> bool:
        """Tell whether an error of a repeat leaves open whether an earlier one was done."""
        if self.only_looks:
            return False
        return error.code in NOT_NOW or (error.code in OURS_OR_NOT and self.tool not in KEYED)

    def unknown(self, url: str, why: DevbenchError) -> OutcomeUnknown:
        """Return the error for a call that may have been done.

        Args:
            url: Of the host.
            why: What happened last.
        """
        details: dict[str, object] = {"tool": self.tool, "last": why.code}
        if self.key is not None:
            details[KEY] = self.key
        return OutcomeUnknown(
            f"host {url!r} may have got the call of {self.tool!r}; whether it was done is not known, "
            f"since no answer of it came through: {why.message}",
            hint=self._what_to_do(),
            details=details,
        )

    def _what_to_do(self) -> str:
        if self.key is not None:
            return (
                f"run it again with --idempotency-key {self.key}: what has begun is found, and not done twice"
            )
        if self.arguments.get(KEY):
            return "run it again with the same key: what has begun is found, and not done twice"
        return LOOK.get(self.tool, "look whether it was done before it is done again")


def _is_safe(tool: str, arguments: Mapping[str, object]) -> bool:
    known = BY_NAME.get(tool)
    if known is None or tool in NOT_TWICE:
        return False
    if tool in KEYED:
        return bool(arguments.get(KEY))
    if tool in CONDITIONAL and arguments.get("if_match"):
        return True
    if tool in BY_ID:
        return is_id(str(arguments.get("container", "")), CONTAINER)
    if tool == "fs_export":
        return "target" not in arguments
    return tool in TWICE or (known.hints.idempotent and not arguments.get("append"))
