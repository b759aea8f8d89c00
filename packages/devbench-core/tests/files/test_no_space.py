"""A full file system in the middle of a change: nothing has changed and nothing is left."""

import subprocess
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from devbench_core.errors import FileFailed
from devbench_core.model.filechange import Replacement
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host, running_agent

SIZE = 2 * 1024 * 1024


@pytest.fixture
def small_agent(tmp_path: Path) -> Generator[LocalAgent]:
    """An agent whose workspace holds two MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(tmp_path)]
    subprocess.run(mount, check=True)
    try:
        with running_agent(tmp_path) as agent:
            yield agent
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.fixture
async def small(small_agent: LocalAgent) -> AsyncGenerator[Host]:
    """A host on it."""
    async with open_host(small_agent.connect, small_agent.token) as host:
        yield host


async def test_an_edit_a_write_an_append_and_a_copy_without_space_change_nothing(
    small: Host, small_agent: LocalAgent
):
    before = b"END" + b"x" * (SIZE * 6 // 10)
    etag = (await small.files.write(C, "f", before)).info.etag
    longer = [Replacement(old="END", new="y" * 1000)]
    calls = [
        small.files.edit(C, "f", replacements=longer),
        small.files.write(C, "f", before),
        small.files.write(C, "f", b"more", append=True, durable=True),
        small.files.copy(C, "f", "g"),
    ]
    for call in calls:
        with pytest.raises(FileFailed, match="no space left") as error:
            await call
        assert error.value.details["reason"] == "no_space"
    assert (await small.files.stat(C, "f")).etag == etag
    assert [path.name for path in small_agent.workspace.iterdir()] == ["f"]
    await small.files.delete(C, "f")
    await small.files.write(C, "f", before)
