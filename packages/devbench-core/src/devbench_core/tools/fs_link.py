"""The tool that gives an address for a large file or archive."""

from __future__ import annotations

import os
import shlex
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from devbench_core.errors import Unauthorised, ValidationFailed
from devbench_core.files.paths import absolute_path, agent_path
from devbench_core.files.roots import root_of
from devbench_core.files.settings import FileLimits
from devbench_core.model.link import Link, LinkAction, LinkRequest
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import READ, WRITE, ContainerArgument, EtagArgument, Input, PathArgument
from devbench_core.tools.fs_batch import PATTERNS_MAX

IGNORE_MAX_BYTES = 4096
"""Of an export's patterns: they are part of the address, and servers and proxies take none of any length."""


class FsLinkInput(Input):
    """Arguments of `fs_link`."""

    container: ContainerArgument
    path: PathArgument
    action: Literal["download", "upload", "export", "import"] = Field(
        default="download",
        description=(
            "download or upload a file; export a folder as an archive, or import an archive into a folder."
        ),
    )
    format: Literal["tar", "tar.gz", "tar.zst", "zip"] = Field(
        default="tar.gz", description="Of the archive that is exported or imported."
    )
    if_match: EtagArgument = None
    create_only: bool = Field(default=False, description="Refuse an upload when something is there already.")
    mode: str | None = Field(
        default=None,
        pattern=r"^[0-7]{3,4}$",
        description="Of an upload: permission bits in octal; absent keeps them, 644 for a new file.",
    )
    ignore: list[str] = Field(
        default_factory=list[str],
        max_length=PATTERNS_MAX,
        description=(
            "Of an export: patterns of what is left out, as in a .gitignore; together at most "
            f"{IGNORE_MAX_BYTES} bytes, since the address carries them."
        ),
    )
    overwrite: bool = Field(
        default=True, description="Of an import: replace files of the same names; else they refuse it."
    )


class FsLinkOutput(ToolOutput):
    """Result of `fs_link`."""

    url: str = Field(description="The address; whoever has it can use it until it expires, without a token.")
    method: str = Field(description="The HTTP method: GET or PUT, the content as the body.")
    expires_at: datetime = Field(description="When it stops being valid, UTC.")
    command: str = Field(description="How a shell outside the container uses it.")

    @property
    def resource_links(self) -> tuple[str, ...]:
        """The address, where it is one to read from."""
        return (self.url,) if self.method == "GET" else ()


async def fs_link(context: ToolContext, given: FsLinkInput) -> FsLinkOutput:
    """Return a link."""
    if context.links is None:
        raise ValidationFailed(
            "action",
            "needs devbench-mcp over HTTP, which serves such addresses",
            hint="here read and write in parts: fs_read with `offset`, fs_export and fs_import",
        )
    action = LinkAction(given.action)
    _check(context, given, action)
    container = await context.bench.containers.living(given.container, caller=context.caller)
    where = agent_path(given.path, FileLimits())
    root_of(where, container.spec.policy.file_roots)  # else the link would lead nowhere
    path = absolute_path(where)
    if action is LinkAction.DOWNLOAD:
        await context.bench.files.stat(container.id, path, caller=context.caller)
    request = LinkRequest(
        action=action,
        container_id=container.id,
        path=str(path),
        format=given.format if action in {LinkAction.EXPORT, LinkAction.IMPORT} else "",
        if_match=given.if_match,
        create_only=given.create_only,
        mode=None if given.mode is None else int(given.mode, 8),
        ignore=tuple(given.ignore),
        overwrite=given.overwrite,
    )
    link = context.links.make(request, context.caller)
    return FsLinkOutput(
        url=link.url, method=link.method, expires_at=link.expires_at, command=_command(link, path, given)
    )


def _check(context: ToolContext, given: FsLinkInput, action: LinkAction) -> None:
    scope = WRITE if action.changes else READ
    if scope not in context.caller.scopes:
        raise Unauthorised(
            f"a link to {action} needs the scope {scope!r}, which {context.caller.subject!r} does not have",
            hint=f"your scopes: {', '.join(sorted(context.caller.scopes)) or 'none'}",
            details={"scope": scope},
        )
    if action is not LinkAction.UPLOAD and (given.if_match is not None or given.create_only):
        raise ValidationFailed("if_match", "and create_only are for uploads")
    if action is not LinkAction.UPLOAD and given.mode is not None:
        raise ValidationFailed("mode", "is for uploads")
    if action is not LinkAction.EXPORT and given.ignore:
        raise ValidationFailed("ignore", "is for exports")
    if action is not LinkAction.IMPORT and not given.overwrite:
        raise ValidationFailed("overwrite", "is for imports", hint="create_only is the same of an upload")
    if sum(len(pattern.encode("utf-8", "surrogateescape")) for pattern in given.ignore) > IGNORE_MAX_BYTES:
        raise ValidationFailed(
            "ignore",
            f"has more than {IGNORE_MAX_BYTES} bytes, which an address does not carry",
            hint="give fewer patterns, or shorter ones",
            limit=IGNORE_MAX_BYTES,
        )
    if given.if_match is not None and given.create_only:
        raise ValidationFailed("create_only", "and if_match exclude each other", hint="give one of them")


def _command(link: Link, path: PurePosixPath, given: FsLinkInput) -> str:
    # A name of the other side, and no argument of a tool: what JSON cannot carry is shown as U+FFFD.
    name = os.fsencode(path.name or "workspace").decode("utf-8", "replace")
    match given.action:
        case "download":
            return f"curl -fsS -o {shlex.quote(name)} {shlex.quote(link.url)}"
        case "upload":
            return f"curl -fsS -T {shlex.quote(name)} {shlex.quote(link.url)}"
        case "export":
            return f"curl -fsS -o {shlex.quote(f'{name}.{given.format}')} {shlex.quote(link.url)}"
        case "import":
            return f"curl -fsS -T {shlex.quote(f'{name}.{given.format}')} {shlex.quote(link.url)}"
