"""What the built-in tools' models share: strictness, and the arguments that many of them have."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from devbench_core.tool import ToolInput
from devbench_core.tools.path_text import ENCODED_MAX, given

READ, EXEC, WRITE, MANAGE = "read", "exec", "write", "manage"

TEXT_MAX_BYTES = 96 * 1024
"""The most bytes given as text in one result.

Text travels twice (as text and in the structured content) and JSON escapes it, so in the worst case a message
is eight times as large; clients refuse messages over 1 MiB.
"""
BASE64_MAX_BYTES = 512 * 1024
"""The most bytes given as base64 in one result: they travel once, as 700 KB."""
OUTPUT_DEFAULT_BYTES = 32 * 1024
"""A page of output that fits an agent's context well."""
WAIT_MAX_S = 60.0
"""How long one call may wait; callers go on with another call."""

ContainerArgument = Annotated[
    str,
    Field(min_length=1, max_length=128, description="Id (c_…) or alias of the container, from `spawn`."),
]
ExecArgument = Annotated[
    str, Field(min_length=1, max_length=128, description="Id (x_…) of the command, from `exec_start`.")
]
PathText = Annotated[str, Field(min_length=1, max_length=ENCODED_MAX), AfterValidator(given)]
"""A path in either form of `path_text`: what every argument is that names one."""
PathArgument = Annotated[
    PathText,
    Field(
        description=(
            "Path of a file: relative to /workspace, or absolute beneath it or one of the container's `file_roots`; "
            "or as shown, file:///…"
        ),
    ),
]
EtagArgument = Annotated[
    str | None,
    Field(
        max_length=200,
        description=(
            "Do it only when the file still has this etag (from fs_read, fs_stat, fs_list or fs_write); "
            "otherwise nothing changes and the error `file_conflict` tells the current etag."
        ),
    ),
]


class Input(ToolInput):
    """Base of the built-in tools' inputs: also refuses numbers that are none."""

    model_config = ConfigDict(allow_inf_nan=False)
