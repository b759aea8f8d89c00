"""The tools for several changes at once and for archives: their inputs and outputs, and the handlers."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from devbench_core.errors import TooLarge, Unauthorised, ValidationFailed
from devbench_core.model.archive import Imported, SetId
from devbench_core.model.batch import (
    BatchDelete,
    BatchEdit,
    BatchMkdir,
    BatchMove,
    BatchOperation,
    BatchWrite,
)
from devbench_core.model.filechange import Replacement
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import (
    BASE64_MAX_BYTES,
    WRITE,
    ContainerArgument,
    EtagArgument,
    Input,
    PathArgument,
    PathText,
)
from devbench_core.tools.bytes_text import from_base64, one_content, to_base64
from devbench_core.tools.file_views import FileView
from devbench_core.tools.fs_changes import EDITS_MAX, FsReplacement

OPERATIONS_MAX = 500
PATTERNS_MAX = 100
OTHER_WAYS_OUT = (
    "give `target`, a file for it, and read that in parts; or use fs_link, `ignore`, or a folder of it"
)
Format = Literal["tar", "tar.gz", "tar.zst", "zip"]


class BatchOperationInput(BaseModel):
    """One operation of `fs_batch`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    op: Literal["write", "edit", "delete", "move", "mkdir"] = Field(description="What to do.")
    path: PathArgument
    text: str | None = Field(
        default=None, description="Of write: the whole new content as text. Give this or `base64`."
    )
    base64: str | None = Field(default=None, description="Of write: the whole new content as base64.")
    edits: list[FsReplacement] = Field(
        default=[],
        max_length=EDITS_MAX,
        description="Of edit: exact replacements, as in fs_edit, of what the file holds before the batch. Or `diff`.",
    )
    diff: str | None = Field(default=None, description="Of edit: a unified diff of this file.")
    target: PathText | None = Field(
        default=None, description="Of move: the new path; folders above it are made."
    )
    if_match: EtagArgument = None
    create_only: bool = Field(
        default=False, description="Of write: refuse with `file_conflict` when something is at the path."
    )
    replace: bool = Field(default=False, description="Of move: take the place of a file at the target.")
    recursive: bool = Field(default=False, description="Of delete: also a folder that is not empty.")
    mode: str | None = Field(
        default=None,
        pattern=r"^[0-7]{3,4}$",
        description="Of write: permission bits in octal; absent keeps them, 644 for a new file.",
    )


class FsBatchInput(Input):
    """Arguments of `fs_batch`."""

    container: ContainerArgument
    operations: list[BatchOperationInput] = Field(
        min_length=1,
        max_length=OPERATIONS_MAX,
        description="What to do, in order; a later one sees what an earlier one did.",
    )


class BatchOutcomeView(BaseModel):
    """What became of one operation."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    file: FileView | None = Field(
        default=None, description="What is at the path, or the target, now; absent after a delete."
    )
    created: bool = Field(default=False, description="Whether something new was made.")


class FsBatchOutput(ToolOutput):
    """Result of `fs_batch`."""

    outcomes: list[BatchOutcomeView] = Field(description="One for each operation, in their order.")


class FsImportInput(Input):
    """Arguments of `fs_import`."""

    container: ContainerArgument
    path: PathArgument = "."
    base64: str | None = Field(
        default=None,
        description=(
            f"The archive as base64, at most {BASE64_MAX_BYTES} bytes of it before encoding. Or give `source`."
        ),
    )
    source: PathArgument | None = Field(
        default=None,
        description=(
            "A file of the workspace that holds the archive: write a larger one there in parts first (fs_write with "
            "`append`), and delete it afterwards."
        ),
    )
    format: Format = Field(description="Format of the archive.")
    overwrite: bool = Field(
        default=True,
        description="Replace files of the same names; else they refuse the import (`file_conflict`).",
    )
    set_id: Literal["drop", "refuse"] = Field(
        default="drop", description="What becomes of set-id and sticky bits of entries."
    )


class FsImportOutput(ToolOutput):
    """Result of `fs_import`."""

    entries: int = Field(description="Entries of the archive.")
    files: int = Field(description="Files among them.")
    folders: int = Field(description="Folders among them.")
    links: int = Field(description="Symbolic links among them.")
    size_bytes: int = Field(description="Content in all.")

    @classmethod
    def of(cls, done: Imported) -> Self:
        """Return what an import brought."""
        return cls(
            entries=done.entries,
            files=done.files,
            folders=done.folders,
            links=done.links,
            size_bytes=done.size_bytes,
        )


class FsExportInput(Input):
    """Arguments of `fs_export`."""

    container: ContainerArgument
    path: PathArgument = "."
    format: Format = Field(default="tar.gz", description="Format of the archive.")
    ignore: list[str] = Field(
        default_factory=list[str],
        max_length=PATTERNS_MAX,
        description="Patterns of what is left out, as in a .gitignore, for example node_modules/ or *.log.",
    )
    target: PathArgument | None = Field(
        default=None,
        description=(
            "A file of the workspace, not there yet, to write the archive to instead, of any size: read it in parts "
            "(fs_read with `offset` and `encoding` base64; all with the etag of `file`), and delete it afterwards."
        ),
    )


class FsExportOutput(ToolOutput):
    """Result of `fs_export`."""

    base64: str | None = Field(default=None, description="The archive as base64; absent with `target`.")
    file: FileView | None = Field(
        default=None, description="The file at `target`, with the etag that each part must have."
    )
    format: Format = Field(description="Format of the archive.")
    size_bytes: int = Field(description="Size of the archive before encoding.")


async def fs_batch(context: ToolContext, given: FsBatchInput) -> FsBatchOutput:
    """Do several changes or none."""
    operations = [_operation(number, each) for number, each in enumerate(given.operations)]
    outcomes = await context.bench.files.batch(given.container, operations, caller=context.caller)
    return FsBatchOutput(
        outcomes=[
            BatchOutcomeView(
                file=None if outcome.info is None else FileView.of(outcome.info), created=outcome.created
            )
            for outcome in outcomes
        ]
    )


def _operation(number: int, given: BatchOperationInput) -> BatchOperation:
    field = f"operations.{number}"
    allowed = {
        "write": {"text", "base64", "if_match", "create_only", "mode"},
        "edit": {"edits", "diff", "if_match"},
        "delete": {"recursive", "if_match"},
        "move": {"target", "replace", "if_match"},
        "mkdir": set[str](),
    }[given.op]
    for name in given.model_fields_set - allowed - {"op", "path"}:
        raise ValidationFailed(f"{field}.{name}", f"means nothing for {given.op}", hint="leave it out")
    make: dict[str, Callable[[str, BatchOperationInput], BatchOperation]] = {
        "write": _write,
        "edit": _edit,
        "delete": _delete,
        "move": _move,
        "mkdir": _mkdir,
    }
    return make[given.op](field, given)


def _edit(field: str, given: BatchOperationInput) -> BatchEdit:
    if bool(given.edits) == (given.diff is not None):
        raise ValidationFailed(f"{field}.edits", "or diff must be given, and not both")
    return BatchEdit(
        path=given.path,
        replacements=tuple(
            Replacement(old=one.old, new=one.new, count=one.count or None) for one in given.edits
        ),
        diff=given.diff,
        if_match=given.if_match,
    )


def _write(field: str, given: BatchOperationInput) -> BatchWrite:
    data = one_content(f"{field}.text", given.text, f"{field}.base64", given.base64)
    if data is None:
        raise ValidationFailed(
            f"{field}.text", "is missing", hint="give the content as text or as base64; '' for empty"
        )
    return BatchWrite(
        path=given.path,
        data=data,
        if_match=given.if_match,
        if_none_match=given.create_only,
        mode=None if given.mode is None else int(given.mode, 8),
        parents=True,
    )


def _delete(field: str, given: BatchOperationInput) -> BatchDelete:
    _ = field
    return BatchDelete(path=given.path, recursive=given.recursive, if_match=given.if_match)


def _move(field: str, given: BatchOperationInput) -> BatchMove:
    if given.target is None:
        raise ValidationFailed(f"{field}.target", "is missing", hint="give the new path")
    return BatchMove(
        path=given.path, target=given.target, replace=given.replace, if_match=given.if_match, parents=True
    )


def _mkdir(field: str, given: BatchOperationInput) -> BatchMkdir:
    _ = field
    return BatchMkdir(path=given.path, parents=True)


async def fs_import(context: ToolContext, given: FsImportInput) -> FsImportOutput:
    """Unpack an archive."""
    if (given.base64 is None) == (given.source is None):
        raise ValidationFailed("base64", "or source must be given, and not both")
    if given.source is None:
        return await _imported(context, given, _once(_archive(given.base64 or "")))
    done = await context.bench.files.import_file(
        given.container,
        given.path,
        given.source,
        format=given.format,
        overwrite=given.overwrite,
        set_id=SetId(given.set_id),
        caller=context.caller,
    )
    return FsImportOutput.of(done)


def _archive(text: str) -> bytes:
    data = from_base64("base64", text)
    if len(data) > BASE64_MAX_BYTES:
        raise _too_large(
            "the archive", "write it to a file in parts and give that as `source`, or use fs_link"
        )
    return data


async def _imported(
    context: ToolContext, given: FsImportInput, pieces: AsyncIterable[bytes]
) -> FsImportOutput:
    report = await context.bench.files.import_archive(
        given.container,
        given.path,
        pieces,
        format=given.format,
        overwrite=given.overwrite,
        set_id=SetId(given.set_id),
        caller=context.caller,
    )
    return FsImportOutput.of(report)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def fs_export(context: ToolContext, given: FsExportInput) -> FsExportOutput:
    """Pack a folder or a file."""
    if given.target is not None:
        return await _to_file(context, given, given.target)
    archive = bytearray()
    stream = context.bench.files.export_archive(
        given.container, given.path, format=given.format, ignore=given.ignore, caller=context.caller
    )
    async with aclosing(stream):
        async for piece in stream:
            archive += piece
            if len(archive) > BASE64_MAX_BYTES:
                raise _too_large("the archive", OTHER_WAYS_OUT)
    return FsExportOutput(base64=to_base64(bytes(archive)), format=given.format, size_bytes=len(archive))


async def _to_file(context: ToolContext, given: FsExportInput, target: str) -> FsExportOutput:
    if WRITE not in context.caller.scopes:
        raise Unauthorised(
            f"`target` needs the scope {WRITE!r}, which {context.caller.subject!r} does not have",
            hint=f"your scopes: {', '.join(sorted(context.caller.scopes)) or 'none'}",
            details={"scope": WRITE},
        )
    written = await context.bench.files.export_file(
        given.container,
        given.path,
        target,
        format=given.format,
        ignore=given.ignore,
        caller=context.caller,
    )
    file = FileView.of(written.info)
    return FsExportOutput(file=file, format=given.format, size_bytes=file.size_bytes)


def _too_large(what: str, hint: str) -> TooLarge:
    return TooLarge(
        f"{what} is over {BASE64_MAX_BYTES} bytes, which one message holds",
        hint=hint,
        details={"limit": BASE64_MAX_BYTES},
    )
