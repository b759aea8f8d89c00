"""The workflow itself: what an agent does from its first call to its last, each outcome checked."""

from __future__ import annotations

import time
from contextlib import suppress

import attrs

from devbench_cli.backends.protocol import Backend, Output, ask
from devbench_cli.demo import program
from devbench_cli.demo.narrator import Narrator
from devbench_cli.following import follow_output
from devbench_core.errors import DevbenchError, FileConflict
from devbench_core.tools.container_lists import ListContainersOutput
from devbench_core.tools.containers import KillOutput, SpawnOutput
from devbench_core.tools.exec_views import ExecEndingView
from devbench_core.tools.execs import ExecStartOutput
from devbench_core.tools.files import FsReadOutput, FsWriteOutput
from devbench_core.tools.host import StatusOutput
from devbench_core.tools.pieces import OutputPiece

TTL_S = 600.0
"""Should the demo be killed where it cannot clean up, its container ends by itself."""
TEST_TIMEOUT_S = 60.0
LABELS = {"made-by": "devbench-demo"}


@attrs.frozen
class Run:
    """A command's output, by stream, and its ending."""

    stdout: str
    stderr: str
    ending: ExecEndingView


class Workflow:
    """Does the steps on a backend and tells of them."""

    def __init__(self, backend: Backend, narrator: Narrator, image: str) -> None:
        self._backend = backend
        self._tell = narrator
        self._image = image
        self._container = ""

    async def run(self) -> None:
        """Do all steps; whatever happens, the container does not stay.

        Raises:
            DemoFailed: A step did not do what it says.
            DevbenchError: A call failed.
        """
        await self._look()
        try:
            await self._spawn()
            await self._write()
            await self._fail()
            await self._mend()
            await self._pass()
            await self._kill()
        finally:
            if self._container:
                with suppress(DevbenchError):
                    await ask(self._backend, KillOutput, "kill", container=self._container)

    async def _call(self, output: type[Output], tool: str, **arguments: object) -> Output:
        self._tell.call(tool, **arguments)
        return output.model_validate(await self._backend.call(tool, arguments))

    async def _look(self) -> None:
        self._tell.step("Ask what is there")
        status = await self._call(StatusOutput, "status")
        runtime = status.runtime
        engine = f"{runtime.engine} {runtime.engine_version}".strip() or runtime.problem
        self._tell.fact(f"devbench {status.version}, runtime {runtime.name} ({engine}), store {status.store}")
        self._tell.fact(f"enforced in every container: {', '.join(runtime.enforces)}")
        for absent in runtime.absent:
            self._tell.fact(f"not enforced here: {absent.clause} ({absent.reason})")
        self._tell.expect(runtime.answers, "the runtime answers")

    async def _spawn(self) -> None:
        self._tell.step("Make a container")
        began = time.monotonic()
        arguments = {"image": self._image} if self._image else {}
        spawned = await self._call(SpawnOutput, "spawn", labels=LABELS, ttl_s=TTL_S, **arguments)
        self._container = spawned.container.id
        elapsed_ms = (time.monotonic() - began) * 1000
        self._tell.fact(f"{self._container} on {spawned.container.runtime} after {elapsed_ms:.0f} ms")
        self._tell.expect(spawned.container.status == "running", "it is running")

    async def _write(self) -> None:
        self._tell.step("Write a small program, and a test that it fails")
        for path, text in ((program.PROGRAM, program.BROKEN), (program.TEST, program.TEST_PROGRAM)):
            written = await self._call(
                FsWriteOutput, "fs_write", container=self._container, path=path, text=text, create_only=True
            )
            self._tell.expect(
                written.created and written.file.size_bytes == len(text.encode()),
                f"{path} is new and has {len(text.encode())} bytes",
            )

    async def _fail(self) -> None:
        self._tell.step("Run the test")
        run = await self._test()
        self._tell.expect(run.ending.exit_code == 1, "it exits with 1")
        self._tell.expect(all(line in run.stdout for line in program.PASSED), "two checks pass on stdout")
        self._tell.expect(program.FAILED in run.stderr, "one check fails on stderr")

    async def _mend(self) -> None:
        self._tell.step("Mend the program, only if nobody changed it meanwhile")
        read = await self._call(FsReadOutput, "fs_read", container=self._container, path=program.PROGRAM)
        self._tell.expect(read.text == program.BROKEN, "it reads as it was written")
        etag = read.file.etag
        arguments = {
            "container": self._container,
            "path": program.PROGRAM,
            "text": (read.text or "").replace(program.BROKEN_LINE, program.MENDED_LINE),
            "if_match": etag,
        }
        written = await self._call(FsWriteOutput, "fs_write", **arguments)
        self._tell.expect(written.file.etag not in {"", etag}, "it is written and has a new etag")
        refusal = ""
        try:
            await self._call(FsWriteOutput, "fs_write", **arguments)
        except DevbenchError as error:
            refusal = error.code
        self._tell.expect(
            refusal == FileConflict.code, f"the same write with the old etag is refused: {FileConflict.code}"
        )

    async def _pass(self) -> None:
        self._tell.step("Run the test again")
        run = await self._test()
        self._tell.expect(run.ending.exit_code == 0, "it exits with 0")
        self._tell.expect(program.PASSED_AT_LAST in run.stdout, "the check that failed passes")
        self._tell.expect(not run.stderr, "nothing is on stderr")

    async def _test(self) -> Run:
        started = await self._call(
            ExecStartOutput,
            "exec_start",
            container=self._container,
            argv=["sh", program.TEST],
            timeout_s=TEST_TIMEOUT_S,
        )
        self._tell.call("exec_poll", exec_id=started.exec.id)
        got = {"stdout": bytearray(), "stderr": bytearray()}

        async def on_piece(piece: OutputPiece) -> None:
            got[piece.stream] += piece.to_bytes()
            await self._tell.output(piece)

        ending = await follow_output(self._backend, started.exec.id, on_piece)
        texts = {name: bytes(data).decode("utf-8", "replace") for name, data in got.items()}
        return Run(stdout=texts["stdout"], stderr=texts["stderr"], ending=ending)

    async def _kill(self) -> None:
        self._tell.step("Kill everything")
        killed = await self._call(KillOutput, "kill", container=self._container)
        ending = killed.container.ending
        self._tell.expect(ending is not None and ending.reason == "killed", "its ending says: killed")
        left = await self._call(ListContainersOutput, "list_containers", labels=LABELS)
        ids = [container.id for container in left.containers]
        self._tell.expect(self._container not in ids, "it is no longer among the living")
        self._container = ""
