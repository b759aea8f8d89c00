"""The built-in tools keep the contract of tools."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import AsyncGenerator, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

import devbench_core
from devbench_core.model.caller import Caller
from devbench_core.model.link import Link, LinkMaker, LinkRequest
from devbench_core.testing.fake import FakeBench, fake_bench
from devbench_core.testing.kit import ToolContract
from devbench_core.testing.kit.tools import Examples
from devbench_core.tools.catalogue import TOOLS


class Links:
    """Makes links that nobody serves."""

    def make(self, request: LinkRequest, caller: Caller) -> Link:
        """Return one."""
        return Link(url=f"http://localhost/{request.path}", method="GET", expires_at=datetime.now(UTC))


def archive() -> str:
    """Return a tar with one file, as base64."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        made.addfile(tarfile.TarInfo("unpacked"))
    return base64.b64encode(out.getvalue()).decode()


class TestBuiltInTools(ToolContract):
    """Those of core, on fakes."""

    @pytest.fixture
    def tools(self) -> Any:
        return TOOLS

    @pytest.fixture
    def links(self) -> LinkMaker:
        return Links()

    @pytest.fixture
    def vocabulary(self) -> Collection[str]:
        return {"argv", "find", "host", "unknown", "end"}

    @pytest.fixture
    async def fake(self, tmp_path: Path) -> AsyncGenerator[FakeBench]:
        async with fake_bench(tmp_path, execs={"concurrent_per_container": 20}) as opened:
            yield opened

    @pytest.fixture
    def bench(self, fake: FakeBench) -> devbench_core.Bench:
        return fake.bench

    @pytest.fixture
    async def examples(self, fake: FakeBench) -> Examples:
        """Set the scene, and say what is done on it; what ends something comes last."""
        spawned: Any = await fake.call("spawn", alias="lab")
        lab = {"container": spawned["container"]["id"]}
        sleeping = await self._start(fake, argv=["sleep", "600"])
        reading = await self._start(fake, argv=["cat"], open_stdin=True)
        terminal = await self._start(fake, argv=["cat"], tty={})
        shells = [cast("Any", await fake.call("shell_open", **lab))["shell"]["id"] for _ in range(2)]
        await fake.call("shell_run", shell_id=shells[0], script="cat", interactive=True, wait_s=0)
        await fake.call("fs_write", **lab, path="a.txt", text="one\ntwo\n")
        await fake.call("fs_mkdir", **lab, path="folder")
        return {
            "status": [{}],
            "images": [{}],
            "list_containers": [{}, {"include_ended": True}],
            "inspect": [lab],
            "attach": [lab],
            "exec_list": [lab],
            "exec_poll": [{"exec_id": sleeping, "wait_s": 0}],
            "exec_wait": [{"exec_id": sleeping, "wait_s": 0}],
            "shell_list": [lab],
            "shell_read": [{"shell_id": shells[0], "wait_s": 0}],
            "fs_read": [{**lab, "path": "a.txt"}],
            "fs_list": [lab, {**lab, "recursive": True}],
            "fs_glob": [{**lab, "pattern": "**/*.txt"}],
            "fs_grep": [{**lab, "pattern": "tw."}],
            "fs_stat": [{**lab, "path": "a.txt"}],
            "fs_watch": [{**lab, "wait_s": 0}],
            "fs_link": [{**lab, "path": "a.txt"}],
            "fs_export": [{**lab, "format": "tar"}, {**lab, "target": "out.tar", "format": "tar"}],
            "spawn": [{}, {"labels": {"of": "this"}, "ttl_s": 60}],
            "run": [{**lab, "argv": ["true"]}],
            "exec_start": [{**lab, "argv": ["true"], "env": {"A": "b"}}],
            "exec_input": [{"exec_id": reading, "text": "x", "eof": True}],
            "exec_resize": [{"exec_id": terminal, "columns": 80, "rows": 24}],
            "shell_open": [lab],
            "shell_input": [{"shell_id": shells[0], "text": "x\n"}],
            "shell_run": [{"shell_id": shells[1], "script": "true"}],
            "fs_mkdir": [{**lab, "path": "other"}],
            "fs_write": [{**lab, "path": "b.txt", "text": "b"}],
            "fs_edit": [{**lab, "path": "a.txt", "edits": [{"old": "one", "new": "1"}]}],
            "fs_chmod": [{**lab, "path": "a.txt", "mode": "600"}],
            "fs_copy": [{**lab, "path": "a.txt", "to": "c.txt"}],
            "fs_move": [{**lab, "path": "c.txt", "to": "d.txt"}],
            "fs_batch": [{**lab, "operations": [{"op": "delete", "path": "d.txt"}]}],
            "fs_import": [{**lab, "path": "folder", "format": "tar", "base64": archive()}],
            "fs_delete": [{**lab, "path": "a.txt"}],
            "shell_cancel": [{"shell_id": shells[0]}],
            "shell_close": [{"shell_id": shells[1]}],
            "exec_signal": [{"exec_id": sleeping, "signal": "TERM"}],
            "exec_cancel": [{"exec_id": terminal}],
            "kill": [lab],
        }

    async def _start(self, fake: FakeBench, **arguments: Any) -> str:
        answer: Any = await fake.call("exec_start", container="lab", **arguments)
        return answer["exec"]["id"]
