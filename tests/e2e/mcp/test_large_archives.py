"""Archives that fit no message, on every transport: through a file of the workspace, in parts."""

from __future__ import annotations

import hashlib
import io
import tarfile
from base64 import b64decode
from typing import Any

import pytest

from e2e.mcp.conftest import Configure, Connect
from harness.mcp_program import Tools

PART_BYTES = 512 * 1024
MAKE = "mkdir -p src/deep && head -c 3000000 /dev/urandom > src/deep/large && echo x > src/small"


async def in_parts(tools: Tools, box: str, file: dict[str, Any]) -> bytes:
    """Read a file as an agent does; each part must be of the same state."""
    got, offset = bytearray(), 0
    while True:
        part = await tools(
            "fs_read",
            container=box,
            path=file["path"],
            offset=offset,
            max_bytes=PART_BYTES,
            encoding="base64",
        )
        assert part["file"]["etag"] == file["etag"]
        got += b64decode(part["base64"])
        if "next_offset" not in part:
            return bytes(got)
        offset = part["next_offset"]


@pytest.mark.parametrize("format_", ["tar", "tar.zst"])
async def test_a_large_archive_is_taken_out_in_parts_and_brought_back(
    configure: Configure, connect: Connect, format_: str
):
    async with connect(configure()) as tools:
        box = (await tools("spawn"))["container"]["id"]
        await tools.run(box, "sh", "-c", MAKE)
        wanted = (await tools.run(box, "sha256sum", "src/deep/large"))["output"][0]["text"].split()[0]
        refused = await tools.error("fs_export", container=box, format=format_)
        assert (refused["code"], "`target`" in refused["hint"]) == ("too_large", True)
        made = await tools("fs_export", container=box, format=format_, target="out/all")
        assert "base64" not in made
        archive = await in_parts(tools, box, made["file"])
        assert len(archive) == made["size_bytes"] > PART_BYTES
        if format_ == "tar":
            with tarfile.open(fileobj=io.BytesIO(archive)) as found:
                large = found.extractfile("src/deep/large")
                assert large is not None
                assert hashlib.sha256(large.read()).hexdigest() == wanted
                assert "out/all" not in found.getnames(), "it is not in itself"
        again = await tools.error("fs_export", container=box, format=format_, target="out/all")
        assert again["code"] == "file_conflict"
        done = await tools("fs_import", container=box, path="back", source="out/all", format=format_)
        assert done["files"] == 2
        await tools("fs_delete", container=box, path="out/all")
        back = await tools.run(box, "sha256sum", "back/src/deep/large")
        assert back["output"][0]["text"].split()[0] == wanted
        await tools("kill", container=box)
