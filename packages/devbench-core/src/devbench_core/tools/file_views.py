"""What tools show of files."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from devbench_core.model.file import FileInfo
from devbench_core.tools.path_text import shown, shown_name
from devbench_core.tools.views import View


class FileView(View):
    """A file, folder or link of a workspace."""

    path: str = Field(description="Absolute path in the container; file:///… when it is not UTF-8.")
    type: Literal["file", "directory", "symlink", "other"] = Field(description="What it is.")
    size_bytes: int = Field(description="Size of the content.")
    mode: str = Field(description="Permission bits in octal, for example 0644.")
    modified_at: datetime = Field(description="When its content last changed, UTC.")
    etag: str = Field(
        default="", description="Changes with any change of the file; empty for what is no file."
    )
    target: str = Field(default="", description="Where a symlink points; file:… when it is not UTF-8.")

    @classmethod
    def of(cls, info: FileInfo) -> FileView:
        """Return the view of a file's facts."""
        return cls(
            path=shown(info.path),
            type=info.type.value,
            size_bytes=info.size_bytes,
            mode=f"{info.mode:04o}",
            modified_at=info.modified_at,
            etag=info.etag,
            target=shown_name(info.target),
        )
