"""Bounds of file operations."""

from pydantic import BaseModel, ConfigDict, Field

KIB = 1024
MIB = 1024 * KIB


class FileLimits(BaseModel):
    """Bounds of file operations."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    read_max_bytes: int = Field(
        default=16 * MIB, ge=1, le=1024 * MIB, description="The most bytes that one read returns."
    )
    write_max_bytes: int = Field(
        default=64 * MIB, ge=0, le=1024 * MIB, description="The largest content that one write takes."
    )
    list_max_entries: int = Field(
        default=1000, ge=1, le=4096, description="The largest page of a folder's listing."
    )
    edit_max_bytes: int = Field(
        default=16 * MIB, ge=1, le=256 * MIB, description="The largest file that can be edited."
    )
    edit_max_changes: int = Field(
        default=1000, ge=1, le=100_000, description="The most replacements, or hunks of a diff, in one edit."
    )
    edit_attempts: int = Field(
        default=32,
        ge=1,
        le=1000,
        description="How often an edit is tried anew when the file changed meanwhile, before it is a conflict.",
    )
    copy_max_bytes: int = Field(
        default=4096 * MIB, ge=0, le=2**50, description="The most bytes of content that one copy takes."
    )
    tree_max_entries: int = Field(
        default=100_000,
        ge=1,
        le=2**31,
        description="The most files and folders of one recursive copy or change of modes.",
    )
    find_max_entries: int = Field(
        default=1000, ge=1, le=1000, description="The largest page of a recursive listing."
    )
    search_max_looked: int = Field(
        default=200_000,
        ge=1,
        le=10_000_000,
        description="How many files and folders one page of a search looks at before it ends with a cursor.",
    )
    search_max_globs: int = Field(
        default=256,
        ge=1,
        le=256,
        description="How many patterns a search may have in all, each of `{a,b}` counted.",
    )
    grep_max_matches: int = Field(
        default=1000,
        ge=1,
        le=10_000,
        description="The most matching lines (or files) in one page of a search.",
    )
    grep_max_line_bytes: int = Field(
        default=4096, ge=1, le=4096, description="The most that is shown of one line that a search found."
    )
    grep_page_bytes: int = Field(
        default=256 * KIB,
        ge=1,
        le=4 * MIB,
        description="After so much text a page of a search ends with a cursor; it may be exceeded by one match.",
    )
    grep_max_file_bytes: int = Field(
        default=64 * MIB, ge=1, le=2**40, description="Larger files are left out of searches, and counted."
    )
    path_max_bytes: int = Field(default=4095, ge=1, le=4095, description="Length of a path.")
    name_max_bytes: int = Field(default=255, ge=1, le=255, description="Length of one name in a path.")
    concurrent_max: int = Field(
        default=48,
        ge=2,
        le=64,
        description=(
            "How many operations of this host a container works on at once; more wait for their turn. Agents take 64 "
            "from all hosts, and those that wait for changes are among them."
        ),
    )
    watch_max_wait_s: float = Field(
        default=60.0, ge=0, le=3600, description="How long one call waits for changes at most."
    )
    watch_debounce_s: float = Field(
        default=0.1,
        ge=0,
        le=10,
        description="How long changes gather, so that many of the same file within it are told as one.",
    )
    watch_max_changes: int = Field(
        default=500, ge=1, le=1000, description="The most changes that one call returns."
    )
    export_attempts: int = Field(
        default=5,
        ge=1,
        le=100,
        description=(
            "How often a file that does not stop changing is tried while a tree is exported, with growing pauses; then "
            "the export ends with `file_conflict`."
        ),
    )
    export_copy_max_bytes: int = Field(
        default=2 * 1024**3,
        ge=0,
        le=2**50,
        description=(
            "Files above 1 MiB and up to this are copied beside themselves before they are exported, where the file "
            "system cannot share their blocks, so that they may change meanwhile. Larger ones may only grow."
        ),
    )
    watch_concurrent_max: int = Field(
        default=16,
        ge=1,
        le=24,
        description="How many calls wait for changes in one container at once; further ones wait for their turn.",
    )
    batch_max_operations: int = Field(
        default=10_000, ge=1, le=100_000, description="The most operations in one batch."
    )
    batch_max_bytes: int = Field(
        default=64 * MIB, ge=0, le=1024 * MIB, description="The most content in one batch."
    )
    stream_max_bytes: int = Field(
        default=64 * 1024 * MIB,
        ge=0,
        le=1024 * 1024 * MIB,
        description="The largest content that is written as a stream.",
    )
    archive_max_entries: int = Field(
        default=100_000, ge=1, le=100_000, description="The most entries of an archive, in and out."
    )
    archive_max_bytes: int = Field(
        default=4096 * MIB, ge=0, le=1024 * 1024 * MIB, description="The most that an archive may unpack to."
    )
    archive_max_ratio: int = Field(
        default=200,
        ge=1,
        le=100_000,
        description="How many times its own size an archive may unpack to, once that is over 16 MiB.",
    )
    archive_spool_max_bytes: int = Field(
        default=1024 * MIB,
        ge=1,
        le=1024 * 1024 * MIB,
        description="The largest zip: it is kept in a temporary file on the host while it is unpacked.",
    )
    operation_timeout_s: float = Field(
        default=300.0, gt=0, le=86400, description="How long one file operation may take in all."
    )
