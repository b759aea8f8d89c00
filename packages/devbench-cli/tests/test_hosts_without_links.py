"""What is large, to and from a host that gives no links: in parts, or refused by name."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from devbench_cli.backends.archives import export_archive, import_archive
from devbench_cli.backends.contents import pages
from devbench_cli.backends.link_address import rebased
from devbench_cli.backends.linking import link_to
from devbench_cli.backends.local import LocalBackend, open_local
from devbench_cli.backends.outgoing import Outgoing
from devbench_cli.backends.protocol import Backend
from devbench_cli.backends.uploads import write_file
from devbench_cli.places import InContainer
from devbench_core.errors import PluginNotFound, TooLarge, ValidationFailed
from devbench_core.model.archive import ArchiveFormat
from devbench_core.model.image import Image
from devbench_core.tool import ProgressSink
from devbench_core.tools.arguments import validate
from devbench_core.tools.base import Input
from devbench_core.tools.catalogue import FILE_TOOLS
from devbench_core.tools.fs_link import FsLinkOutput

BIG = os.urandom(1_500_000)


class Linkless:
    """A host whose tools are those of a core, but for `fs_link`, which it does not have or refuses."""

    def __init__(self, backend: LocalBackend, *, is_older: bool) -> None:
        self._backend = backend
        self._is_older = is_older

    default_ttl_s = None
    stdin_max_bytes = upload_max_bytes = 1_000_000

    async def call(
        self, tool: str, arguments: Mapping[str, object], *, progress: ProgressSink | None = None
    ) -> Mapping[str, Any]:
        if tool == "fs_link" and self._is_older:
            raise PluginNotFound("there is no tool 'fs_link'")
        return await self._backend.call(tool, arguments, progress=progress)

    async def pull(self, name: str, *, progress: ProgressSink | None = None) -> Image:
        return await self._backend.pull(name, progress=progress)

    async def import_image(self, name: str, source: Path) -> Image:
        return await self._backend.import_image(name, source)


def once(data: bytes) -> Outgoing:
    async def pieces() -> AsyncGenerator[bytes]:
        yield data

    return Outgoing.once(pieces())


@pytest.mark.parametrize("is_older", [True, False], ids=["older", "not over HTTP"])
async def test_a_large_file_comes_in_parts_and_goes_nowhere(tmp_path: Path, is_older: bool):
    folders = {"state_dir": str(tmp_path / "state"), "cache_dir": str(tmp_path / "cache")}
    config = {**folders, "runtime": "bubblewrap", "images": {"default": "host"}}
    async with open_local(config, {}, serving=True) as core:
        box = (await core.call("spawn", {}))["container"]["id"]
        assert (await write_file(core, box, "f", once(BIG), "640")).mode == "0640"
        backend: Backend = Linkless(core, is_older=is_older)
        got = [piece async for _, piece in pages(backend, InContainer(box, "f"))]
        assert (b"".join(got), len(got)) == (BIG, 3)
        for doing in (
            write_file(backend, box, "g", once(BIG), None),
            import_archive(backend, InContainer(box, "g"), once(BIG), ArchiveFormat.TAR),
        ):
            with pytest.raises(TooLarge, match="gives no link for it") as refused:
                await doing
            assert "--url" in refused.value.hint
        assert (await write_file(backend, box, "h", once(b"small"), None)).size_bytes == 5


class OlderInput(Input):
    """The arguments of the first `fs_link`."""

    container: str
    path: str
    action: str = "download"
    format: str = "tar.gz"
    if_match: str | None = None
    create_only: bool = False


GIVEN = FsLinkOutput(url="http://h/files/w.m/f", method="GET", expires_at=datetime.now(UTC), command="")


class Older(Linkless):
    """A host whose `fs_link` is the first one, which refuses what it does not know."""

    async def call(
        self, tool: str, arguments: Mapping[str, object], *, progress: ProgressSink | None = None
    ) -> Mapping[str, Any]:
        if tool != "fs_link":
            return await super().call(tool, arguments, progress=progress)
        newer = next(found for found in FILE_TOOLS if found.name == tool)
        validate(attrs.evolve(newer, input=OlderInput), arguments)
        return GIVEN.model_dump()


async def test_an_older_host_is_asked_only_for_what_it_knows_or_gives_parts(tmp_path: Path):
    folders = {"state_dir": str(tmp_path / "state"), "cache_dir": str(tmp_path / "cache")}
    config = {**folders, "runtime": "bubblewrap", "images": {"default": "host"}}
    async with open_local(config, {}, serving=True) as core:
        box = (await core.call("spawn", {}))["container"]["id"]
        for name in ("f", "x.log"):
            await write_file(core, box, f"d/{name}", once(b"small"), None)
        backend: Backend = Older(core, is_older=True)
        place = InContainer(box, "d")
        assert await link_to(backend, place, "export", ignore=[], overwrite=True, mode=None) == GIVEN
        assert await link_to(backend, place, "export", ignore=["*.log"]) is None
        assert await link_to(backend, place, "import", overwrite=False) is None
        assert await link_to(backend, place, "upload", mode="644") is None
        packed = export_archive(backend, place, ArchiveFormat.TAR, ["*.log"])
        archive = io.BytesIO(b"".join([piece async for piece in packed]))
        with tarfile.open(fileobj=archive) as found:
            assert [entry.name for entry in found if entry.isfile()] == ["f"]


async def test_what_is_wrong_with_an_argument_of_a_link_is_told():
    class Refusing(Linkless):
        async def call(
            self, tool: str, arguments: Mapping[str, object], *, progress: ProgressSink | None = None
        ) -> Mapping[str, Any]:
            raise ValidationFailed("ignore", "is too long", limit=4096)

    with pytest.raises(ValidationFailed, match="too long"):
        await link_to(
            Refusing(cast("Any", None), is_older=False), InContainer("c", "d"), "export", ignore=["x"]
        )


@pytest.mark.parametrize(
    ("reached", "link", "wanted"),
    [
        ("http://a:1/mcp", "http://b:2/files/w.x/n", "http://a:1/files/w.x/n"),
        ("https://a/box/mcp/", "http://b:2/files/w.x/n%2Fm", "https://a/box/files/w.x/n%2Fm"),
        ("https://a/mcp?key=1", "http://b/deep/files/w.x/n", "https://a/files/w.x/n?key=1"),
        ("http://[::1]:8/mcp", "https://b/files/w.x/%FF", "http://[::1]:8/files/w.x/%FF"),
    ],
)
def test_a_link_is_looked_for_beside_the_address_that_was_reached(reached: str, link: str, wanted: str):
    assert rebased(link, reached) == wanted
