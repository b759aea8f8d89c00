"""A container on a runtime and of an image, its files, and a look at them from inside where the image has a shell."""

from __future__ import annotations

import secrets

import attrs

from devbench_core.bench import Bench
from devbench_core.files import Files
from devbench_core.model.execution import ExecReason, ExecRequest


@attrs.frozen(kw_only=True)
class FileLab:
    """A container.

    Attributes:
        bench: The host.
        container: Its id.
        runtime: Which runtime it is on.
        has_shell: Whether its image has one.
    """

    bench: Bench
    container: str
    runtime: str
    has_shell: bool

    @property
    def files(self) -> Files:
        """The use case."""
        return self.bench.files

    async def folder(self) -> str:
        """Make a folder of its own for a case."""
        name = f"case-{secrets.token_hex(6)}"
        await self.files.mkdir(self.container, name)
        return name

    async def sh(self, script: str) -> str:
        """Run a script in the container; it must succeed."""
        started = await self.bench.execs.start(self.container, ExecRequest(argv=("sh", "-c", script)))
        record = await self.bench.execs.wait(started.id, wait_s=60)
        process = await self.bench.execs.process(started.id)
        said = b"".join([chunk.data async for chunk in process.output()])
        assert record.ending is not None
        assert record.ending.reason is ExecReason.EXITED, record.ending
        assert record.ending.exit_code == 0, said
        return said.decode()
