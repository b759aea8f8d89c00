"""The tool that gives an address for a large file or archive."""

from __future__ import annotations

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
    if given.if_match is not None and given.create_only:
        raise ValidationFailed("create_only", "and if_match exclude each other", hint="give one of them")


def _command(link: Link, path: PurePosixPath, given: FsLinkInput) -> str:
    name = path.name or "workspace"
    match given.action:
        case "download":
            return f"curl -fsS -o {shlex.quote(name)} {shlex.quote(link.url)}"
        case "upload":
            return f"curl -fsS -T {shlex.quote(name)} {shlex.quote(link.url)}"
        case "export":
            return f"curl -fsS -o {shlex.quote(f'{name}.{given.format}')} {shlex.quote(link.url)}"
        case "import":
            return f"curl -fsS -T {shlex.quote(f'{name}.{given.format}')} {shlex.quote(link.url)}"
