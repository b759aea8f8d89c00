"""Searches against GNU grep in the same container, and looks at files against the engine's archives."""

from __future__ import annotations

import asyncio
import re

import aiodocker

import devbench_core
from devbench_core.bench import Bench
from devbench_core.containers import SpawnRequest
from devbench_core.model.execution import ExecReason, ExecRequest, StreamName
from devbench_core.model.file import GrepMode
from performance.measure import Figures, Row, Step, interleave, line, timed
from performance.raw_docker import RawDocker
from performance.setting import Setting

FILES = 10_000
FOLDER_FILES = 20
GREP_BOUND = 2.0
ARCHIVE_BOUND = 0.05
SEARCHES = 11
WAIT_S = 60.0
MAKE_TREE = f"""
import os, random
chance = random.Random(7)
letters = "abcdefghijklmnopqrstuvwxyz_"
words = ["".join(chance.choice(letters) for _ in range(chance.randint(2, 11))) for _ in range(3000)]
for number in range({FILES}):
    folder = f"tree/d{{number % 100:02}}"
    os.makedirs(folder, exist_ok=True)
    lines, size = [], 0
    wanted = chance.randint(2048, 8192)
    while size < wanted:
        lines.append(" ".join(chance.choice(words) for _ in range(chance.randint(1, 12))))
        size += len(lines[-1]) + 1
    if number % 100 == 37:
        lines.insert(3, "the needle_in_hay = 42")
    with open(f"{{folder}}/f{{number:05}}.txt", "w") as file:
        file.write("\\n".join(lines) + "\\n")
"""
PATTERNS = {
    "a literal": ("needle_in_hay", True),
    "a regular expression": (r"[a-z]+_in_h[a-z]y = [0-9]+", False),
    "no text in common": (r"[0-9]{2}$", False),
}


async def run(setting: Setting) -> list[Row]:
    """Measure everything of files on Docker, in an image that has GNU grep."""
    config = setting.write_config("files", runtime="docker", host=setting.docker_host)
    async with aiodocker.Docker(url=setting.docker_host) as client, devbench_core.open(config) as bench:
        raw = RawDocker(client, setting.full_image)
        await raw.spawn()
        spawned = await bench.containers.spawn(SpawnRequest(image=setting.full_image))
        try:
            searching = Searching(bench, spawned.container.id)
            await searching.make_tree()
            rows = [await searching.against_grep(*each) for each in PATTERNS.items()]
            rows.append(await searching.beside(setting.quick))
            return rows + await _looks(setting, client, raw, bench, spawned.container.id)
        finally:
            await raw.kill()
            await bench.containers.kill(spawned.container.id)


class Searching:
    """A tree in a container."""

    def __init__(self, bench: Bench, container: str) -> None:
        self._bench = bench
        self._container = container

    async def make_tree(self) -> None:
        """Make the files."""
        await self._command("python3", "-c", MAKE_TREE)

    async def _command(self, *argv: str) -> int:
        """Run a command to its end and return how many lines it wrote."""
        started = await self._bench.execs.start(self._container, ExecRequest(argv=argv))
        done = await self._bench.execs.wait(started.id, wait_s=WAIT_S)
        if done.ending is None or done.ending.reason is not ExecReason.EXITED or done.ending.exit_code != 0:
            raise AssertionError(done)
        process = await self._bench.execs.process(started.id)
        said = [chunk.data async for chunk in process.output() if chunk.stream is StreamName.STDOUT]
        return b"".join(said).count(b"\n")

    async def _grep(self, pattern: str, *, literal: bool) -> int:
        page = await self._bench.files.grep(self._container, pattern, "tree", literal=literal)
        if page.searched != FILES or page.cursor:
            raise AssertionError(page.scope)
        return page.matches

    async def against_grep(self, name: str, wanted: tuple[str, bool]) -> Row:
        """Measure one pattern both ways; they must find the same."""
        pattern, literal = wanted

        async def theirs() -> None:
            found = await self._command("grep", "-rnF" if literal else "-rnE", pattern, "tree")
            if found != FILES // 100:
                raise AssertionError(found)

        async def ours() -> None:
            found = await self._grep(pattern, literal=literal)
            if found != FILES // 100:
                raise AssertionError(found)

        return await interleave(
            f"search in {FILES} files for {name}",
            {"GNU grep -r in the container": theirs, "Python": ours},
            rounds=SEARCHES,
            bounds={"Python": GREP_BOUND},
        )

    async def beside(self, count: int) -> Row:
        """Measure looks at a file alone, then beside searches without an end."""

        async def look() -> None:
            await self._bench.files.stat(self._container, "tree/d00/f00000.txt")

        async def search() -> None:
            while True:
                await self._bench.files.grep(self._container, "[x-z]{9}q", "tree", mode=GrepMode.NAMES)

        alone = [await timed(look) for _ in range(count)]
        searching = asyncio.create_task(search())
        beside = [await timed(look) for _ in range(count)]
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)
        row = Row(
            operation="stat beside a search (raw: alone)",
            figures={"alone": Figures.of(alone), "beside": Figures.of(beside)},
            bounds_ms={"beside": 2.0 + Figures.of(alone).p50_ms},
        )
        print(line(row), flush=True)  # noqa: T201 - progress
        return row


async def _looks(
    setting: Setting, client: aiodocker.Docker, raw: RawDocker, bench: Bench, container: str
) -> list[Row]:
    """Measure stat and list against the engine's archive calls.

    The engine tells of a single path by HEAD too, in about a millisecond: that row is for the reader, without a bound.
    """
    for number in range(FOLDER_FILES):
        data = b"x" * 1024
        await bench.files.write(container, f"folder/f{number}", data, parents=True)
        await raw.write(f"f{number}", data)
    of_raw = raw.spawned()
    url = f"containers/{of_raw.id}/archive"

    async def raw_stat() -> None:
        async with client._query(url, method="HEAD", params={"path": "/workspace/f0"}) as answer:  # pyright: ignore[reportPrivateUsage]
            if "X-Docker-Container-Path-Stat" not in answer.headers:
                raise AssertionError(answer.headers)

    async def raw_read() -> None:
        await of_raw.get_archive("/workspace/f0")

    async def our_stat() -> None:
        await bench.files.stat(container, "folder/f0")

    async def raw_list() -> None:
        archive = await of_raw.get_archive("/workspace")
        found = [name for name in archive.getnames() if re.search(r"/f\d+$", name)]
        if len(found) != FOLDER_FILES:
            raise AssertionError(found)

    async def our_list() -> None:
        if len((await bench.files.list(container, "folder")).entries) != FOLDER_FILES:
            raise AssertionError(container)

    steps: dict[str, tuple[Step, Step, dict[str, float]]] = {
        "stat (raw: GET of its archive)": (raw_read, our_stat, {"Python": ARCHIVE_BOUND}),
        "stat (raw: HEAD of its archive)": (raw_stat, our_stat, {}),
        f"list {FOLDER_FILES} files (raw: GET of the folder)": (
            raw_list,
            our_list,
            {"Python": ARCHIVE_BOUND},
        ),
    }
    return [
        await interleave(
            name,
            {"raw engine": theirs, "Python": ours},
            rounds=setting.quick,
            bounds=bounds,
        )
        for name, (theirs, ours, bounds) in steps.items()
    ]
