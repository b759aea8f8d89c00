"""Changes of permission bits."""

from __future__ import annotations

from devbench_core.channel import changecalls
from devbench_core.channel.change_messages import ModeFlag
from devbench_core.channel.replies import FileRefused
from devbench_core.errors import ValidationFailed
from devbench_core.files.conditions import MODE_MAX, checked_etag, checked_mode
from devbench_core.files.operations import Operations
from devbench_core.files.pairs import tree_failed
from devbench_core.files.paths import Path
from devbench_core.files.powers import require
from devbench_core.files.translate import info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.filechange import ModeSet

READS = 0o444


class Modes(Operations):
    """Change modes."""

    async def chmod(
        self,
        container: str,
        path: Path,
        mode: int,
        *,
        recursive: bool = False,
        folder_mode: int | None = None,
        if_match: str | None = None,
        caller: Caller = LOCAL,
    ) -> ModeSet:
        """Change permission bits.

        Args:
            container: Where.
            path: Of what; a final link is followed, and none within a tree.
            mode: The bits; all of them, whatever they were.
            recursive: Also of all that is in a folder. A tree with an entry of another user is refused as a whole.
            folder_mode: With ``recursive``, the bits of folders; None: ``mode``, and who may read may also enter.
            if_match: Only if the file's etag is this.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileConflict: The file has another etag.
            FileFailed: ``permission_denied``: it is another user's; ``details["entry"]`` names the one in a tree.
            TooLarge: The tree has more than ``files.tree_max_entries``; nothing was changed.
        """
        checked_mode("mode", mode)
        if folder_mode is not None and not recursive:
            raise ValidationFailed("folder_mode", "needs recursive")
        folders = mode | (mode & READS) >> 2 if folder_mode is None else folder_mode
        checked_mode("folder_mode", folders)
        etag = checked_etag(if_match)
        flags = ModeFlag.RECURSIVE if recursive else ModeFlag(0)
        flags |= ModeFlag.IF_MATCH if if_match is not None else 0
        async with self._request("file.chmod", container, path, caller) as (channel, where, found):
            require(channel, "changes", "changing modes")
            try:
                done = await changecalls.change_mode(
                    channel,
                    where,
                    flags=flags,
                    mode=mode,
                    folder_mode=folders & MODE_MAX,
                    entries=self._limits.tree_max_entries,
                    if_match=etag,
                )
            except FileRefused as error:
                raise tree_failed(error, where, self._limits) from error
        info = info_of(where, done.stat)
        fields: dict[str, object] = {"path": str(info.path), "mode": f"{mode:04o}", "changed": done.changed}
        self._tell("file.mode_changed", caller, found, fields)
        return ModeSet(info=info, changed=done.changed)
