"""Paths as results show them, `file:///…` where they are not UTF-8: every argument that is a path takes that form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from devbench_core.errors import ShellEnded, ValidationFailed

Call = Callable[..., Awaitable[dict[str, Any]]]
FIRST, SECOND, THIRD = (f"file:///workspace/{name}/caf%E9" for name in ("a", "b", "c"))


async def test_a_destination_is_taken_as_it_is_shown(call: Call, container: str):
    await call("fs_write", container=container, path=FIRST, text="x")
    moved = await call("fs_move", container=container, path=FIRST, to=SECOND)
    copied = await call("fs_copy", container=container, path=SECOND, to=FIRST)
    operation = {"op": "move", "path": SECOND, "target": THIRD}
    (batched,) = (await call("fs_batch", container=container, operations=[operation]))["outcomes"]
    assert [done["file"]["path"] for done in (moved, copied, batched)] == [SECOND, FIRST, THIRD]
    with pytest.raises(ValidationFailed, match="to: has a %"):
        await call("fs_move", container=container, path=FIRST, to="file:///workspace/%zz")


async def test_a_directory_is_taken_as_it_is_shown(call: Call, container: str):
    # made, since this runtime has no /workspace but that one
    made = {"container": container, "cwd": FIRST, "create_cwd": True}
    done = await call("run", argv=["sh", "-c", "echo x > f"], **made)
    assert (done["exec"]["ending"]["exit_code"], done["exec"]["cwd"]) == (0, FIRST)
    begun = (await call("exec_start", argv=["rm", "f"], **made))["exec"]
    assert (await call("exec_wait", exec_id=begun["id"]))["exec"]["ending"]["exit_code"] == 0
    with pytest.raises(ShellEnded, match=r"'/workspace/a/caf"):
        await call("shell_open", container=container, cwd=FIRST)
    with pytest.raises(ValidationFailed, match="cwd: has a %"):
        await call("run", container=container, argv=["true"], cwd="file:///workspace/%zz")
