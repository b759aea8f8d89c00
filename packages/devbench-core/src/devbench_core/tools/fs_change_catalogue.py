"""The tools that change files in place: names, descriptions, hints and scopes."""

from __future__ import annotations

from devbench_core.tool import Tool, ToolHints
from devbench_core.tools.base import WRITE

CHANGES = ToolHints(read_only=False, destructive=True, idempotent=False, open_world=False)
OVERWRITES = ToolHints(read_only=False, destructive=True, idempotent=True, open_world=False)
RENEWS = ToolHints(read_only=False, destructive=False, idempotent=True, open_world=False)

CHANGE_TOOLS = (
    Tool(
        name="fs_edit",
        title="Edit a file",
        description=(
            "Change parts of a file: exact replacements in `edits`, or a unified `diff`; all of it or nothing, and "
            "the rest of the file stays byte for byte. When the file changes in between, the edit is done anew on "
            "what is there. `edit_failed` means that a text is not there, or not as often as `count` says: the "
            "error tells the nearest lines with their numbers, or the lines where it is; repeat with that. With "
            "`if_match` it is refused as `file_conflict` when the file changed since you read it."
        ),
        input="devbench_core.tools.fs_changes:FsEditInput",
        output="devbench_core.tools.fs_changes:FsEditOutput",
        hints=CHANGES,
        scope=WRITE,
        handler="devbench_core.tools.fs_changes:fs_edit",
    ),
    Tool(
        name="fs_move",
        title="Move or rename",
        description=(
            "Give a file, link or folder another path in one atomic step. `to` is the whole new path. What is there "
            "is replaced only with `overwrite` (a file or link by one, an empty folder by a folder), or with "
            "`if_match_to` when it still has that etag. A folder cannot be moved into itself."
        ),
        input="devbench_core.tools.fs_changes:FsMoveInput",
        output="devbench_core.tools.fs_changes:FsMoveOutput",
        hints=CHANGES,
        scope=WRITE,
        handler="devbench_core.tools.fs_changes:fs_move",
    ),
    Tool(
        name="fs_copy",
        title="Copy a file or folder",
        description=(
            "Copy a file, or with `recursive` a folder with all that is in it: the copy appears whole or not at all. "
            "`to` is the copy's whole path. Permission bits are kept, links in a folder stay links. A file is "
            "replaced only with `overwrite` or `if_match_to`, a folder never."
        ),
        input="devbench_core.tools.fs_changes:FsCopyInput",
        output="devbench_core.tools.fs_changes:FsCopyOutput",
        hints=OVERWRITES,
        scope=WRITE,
        handler="devbench_core.tools.fs_changes:fs_copy",
    ),
    Tool(
        name="fs_mkdir",
        title="Make a folder",
        description=(
            "Make a folder, with those above it that are missing; one that is there already is fine. Not needed "
            "before `fs_write`, `fs_move` and `fs_copy`, which make missing folders themselves."
        ),
        input="devbench_core.tools.fs_changes:FsMkdirInput",
        output="devbench_core.tools.fs_changes:FsMkdirOutput",
        hints=RENEWS,
        scope=WRITE,
        handler="devbench_core.tools.fs_changes:fs_mkdir",
    ),
    Tool(
        name="fs_chmod",
        title="Change permissions",
        description=(
            "Set the permission bits of a file or folder, for example 755 to make a script executable; with "
            "`recursive` of all that is in a folder too. Only what belongs to the container's user can be changed: "
            "a tree with something of another user's is refused as a whole."
        ),
        input="devbench_core.tools.fs_changes:FsChmodInput",
        output="devbench_core.tools.fs_changes:FsChmodOutput",
        hints=OVERWRITES,
        scope=WRITE,
        handler="devbench_core.tools.fs_changes:fs_chmod",
    ),
)
