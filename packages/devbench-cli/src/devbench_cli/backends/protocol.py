"""What a command needs of devbench, wherever that is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:  # this module is imported by every command, before it is known which one is wanted
    from pydantic import BaseModel

    from devbench_core.model.image import Image
    from devbench_core.tool import ProgressSink

Output = TypeVar("Output", bound="BaseModel")


class Backend(Protocol):
    """Tools by name: the same calls, results and errors in this process and on a remote host."""

    @property
    def default_ttl_s(self) -> float | None:
        """Time to live of a container whose spawn names none; None leaves it to the host."""
        ...

    @property
    def stdin_max_bytes(self) -> int:
        """The most input that can be given with a command."""
        ...

    @property
    def upload_max_bytes(self) -> int:
        """The largest file that can be written."""
        ...

    async def call(
        self, tool: str, arguments: Mapping[str, object], *, progress: ProgressSink | None = None
    ) -> Mapping[str, Any]:
        """Call a tool and return its structured result.

        Raises:
            DevbenchError: With the code that the tool gave; `HostUnreachable` when a host does not answer.
        """
        ...

    async def pull(self, name: str, *, progress: ProgressSink | None = None) -> Image:
        """Fetch an image as the configuration allows.

        Raises:
            ValidationFailed: A remote host does not offer this.
            ImagePullFailed: It could not be fetched.
        """
        ...

    async def import_image(self, name: str, source: Path) -> Image:
        """Make an image of a root file system, from a tar or a folder.

        Raises:
            ValidationFailed: A remote host or this runtime does not offer this.
        """
        ...


async def ask(
    backend: Backend,
    output: type[Output],
    tool: str,
    *,
    progress: ProgressSink | None = None,
    **arguments: object,
) -> Output:
    """Call a tool with the arguments that are not None and return its result as a model."""
    given = {name: value for name, value in arguments.items() if value is not None}
    return output.model_validate(await backend.call(tool, given, progress=progress))
