"""Moves and copies."""

from __future__ import annotations

from devbench_core.channel import changecalls
from devbench_core.channel.change_messages import PairFlag
from devbench_core.channel.replies import FileRefused
from devbench_core.files.conditions import checked_etag
from devbench_core.files.operations import Operations
from devbench_core.files.pairs import pair_failed
from devbench_core.files.paths import Path, absolute_path, agent_path
from devbench_core.files.powers import require
from devbench_core.files.roots import between
from devbench_core.files.translate import info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.filechange import FileCopied, FileMoved


class Moving(Operations):
    """Move and copy."""

    async def move(
        self,
        container: str,
        path: Path,
        to: Path,
        *,
        overwrite: bool = False,
        if_match: str | None = None,
        if_match_to: str | None = None,
        parents: bool = False,
        caller: Caller = LOCAL,
    ) -> FileMoved:
        """Give a file, link or folder another name, also in another folder, in one step.

        Args:
            container: Where.
            path: What; a final link itself.
            to: Its new path, not the folder to put it into.
            overwrite: Replace what is there: a file or link by one, an empty folder by a folder.
            if_match: Only if the file's etag is this.
            if_match_to: Only if the file that is replaced has this etag; it implies ``overwrite``.
            parents: Make missing folders above ``to``.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is at ``path``, or a folder above ``to`` is not there.
            FileConflict: A condition does not hold, or something is at ``to``; ``details["path"]`` tells which.
            FileFailed: ``into_itself``, ``not_empty``, ``is_directory``, ``not_directory``, ``other_file_system``.
        """
        new = not overwrite and if_match_to is None
        etags = checked_etag(if_match), checked_etag(if_match_to)
        flags = _flags(new=new, parents=parents, if_match=if_match, if_match_to=if_match_to)
        target = agent_path(to, self._limits)
        async with self._request("file.move", container, path, caller, to=target) as (channel, where, found):
            require(channel, "changes", "moving files")
            try:
                moved = await changecalls.move(
                    channel, where, target, flags=flags, if_match=etags[0], if_match_to=etags[1]
                )
            except FileRefused as error:
                failed = pair_failed(
                    error, where, target, self._limits, conditional=if_match_to is not None, new=new
                )
                raise between(failed, where, target, found.spec.policy.file_roots) from error
        info = info_of(target, moved.stat)
        self._tell("file.moved", caller, found, {"path": str(absolute_path(where)), "to": str(info.path)})
        return FileMoved(info=info, replaced=moved.replaced)

    async def copy(
        self,
        container: str,
        path: Path,
        to: Path,
        *,
        recursive: bool = False,
        skip_special: bool = False,
        overwrite: bool = False,
        if_match: str | None = None,
        if_match_to: str | None = None,
        parents: bool = False,
        caller: Caller = LOCAL,
    ) -> FileCopied:
        """Copy a file, or a folder with all that is in it: the copy appears whole or not at all.

        Permission bits and the extended attributes of users are kept. Within a folder links are copied as links.

        Args:
            container: Where.
            path: What; a final link is followed.
            to: The copy's path, not the folder to put it into; a final link is followed.
            recursive: Also a folder; ``to`` must not exist then.
            skip_special: Leave out pipes, devices and sockets of a folder, which are refused else.
            overwrite: Replace the file that is there.
            if_match: Only if the file's etag is this.
            if_match_to: Only if the file that is replaced has this etag; it implies ``overwrite``.
            parents: Make missing folders above ``to``.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is at ``path``, or a folder above ``to`` is not there.
            FileConflict: A condition does not hold, something is at ``to``, or the source does not stop changing.
            FileFailed: ``is_directory`` without ``recursive``; ``into_itself``, ``no_space``, ``invalid`` (special).
            TooLarge: It is over ``files.tree_max_entries`` or ``files.copy_max_bytes``; nothing is left of it.
        """
        new = not overwrite and if_match_to is None
        etags = checked_etag(if_match), checked_etag(if_match_to)
        flags = _flags(new=new, parents=parents, if_match=if_match, if_match_to=if_match_to)
        flags |= PairFlag.RECURSIVE if recursive else 0
        flags |= PairFlag.SKIP_SPECIAL if skip_special else 0
        target = agent_path(to, self._limits)
        async with self._request("file.copy", container, path, caller, to=target) as (channel, where, found):
            require(channel, "changes", "copying files")
            try:
                copied = await changecalls.copy(
                    channel,
                    where,
                    target,
                    flags=flags,
                    entries=self._limits.tree_max_entries,
                    most=self._limits.copy_max_bytes,
                    if_match=etags[0],
                    if_match_to=etags[1],
                )
            except FileRefused as error:
                raise pair_failed(
                    error, where, target, self._limits, conditional=if_match_to is not None, new=new
                ) from error
        info = info_of(target, copied.stat)
        self._tell("file.copied", caller, found, {"path": str(absolute_path(where)), "to": str(info.path)})
        return FileCopied(
            info=info,
            created=copied.created,
            entries=copied.entries,
            size_bytes=copied.bytes,
            skipped=copied.skipped,
        )


def _flags(*, new: bool, parents: bool, if_match: str | None, if_match_to: str | None) -> PairFlag:
    flags = PairFlag.CREATE_ONLY if new else PairFlag(0)
    flags |= PairFlag.PARENTS if parents else 0
    flags |= PairFlag.IF_MATCH if if_match is not None else 0
    return flags | (PairFlag.IF_MATCH_TO if if_match_to is not None else 0)
