"""A root that several users of a container can write to."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import PurePosixPath

import pytest
import pytest_asyncio

from devbench_core.containers import SpawnRequest
from devbench_core.contracts.powers import SupportsUsers
from devbench_core.errors import FileFailed, PathOutside
from devbench_core.files import Files
from devbench_core.model.batch import BatchWrite
from devbench_core.model.policy import Clause, Policy
from devbench_core.testing.kit.claims import Claims, Trait
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.files_place import Place
from devbench_core.testing.kit.held import skip_without
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import OpenHost, WithHost

OTHER = "2000:2000"
MAKE = """
umask 077
cd /tmp
echo secret > theirs
mkdir closed && echo secret > closed/f
ln -s ../workspace/f to-workspace
ln -s ../etc/passwd to-etc
"""


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Policy, Files)
class FilesSharedRootsContract(WithHost):
    """A root that several users of a container can write to."""

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def common(cls, open_host: OpenHost, claims: Claims) -> AsyncGenerator[Place]:
        """A container with another user, who has been at work in /tmp."""
        skip_without(claims, SupportsUsers, Clause.EXEC_USERS, Trait.SHELL)
        async with open_host(policy={"file_roots": ["/tmp"], "exec_users": [OTHER]}) as bench:
            spawned = await bench.containers.spawn(SpawnRequest())
            lab = Lab(bench=bench, container=spawned.container.id, has_shell=True)
            assert (await lab.sh(MAKE, user=OTHER, cwd=PurePosixPath("/tmp"))).exit_code == 0
            yield Place(lab=lab, folder=".")

    async def test_what_another_user_has_there_stays_his(self, common: Place):
        files, container = common.files, common.container
        for call in (
            files.read(container, "/tmp/theirs"),
            files.write(container, "/tmp/theirs", b"gotcha"),
            files.delete(container, "/tmp/theirs"),
            files.move(container, "/tmp/theirs", "/tmp/mine"),
            files.list(container, "/tmp/closed"),
            files.batch(container, [BatchWrite(path="/tmp/theirs", data=b"gotcha")]),
        ):
            error = await common.refused(FileFailed, call)
            assert error.details["reason"] == "permission_denied"

    async def test_links_of_another_user_lead_nowhere_else(self, common: Place):
        await common.files.write(common.container, "f", b"mine")
        for name in ("to-workspace", "to-etc"):
            await common.refused(PathOutside, common.files.read(common.container, f"/tmp/{name}"))
            await common.refused(PathOutside, common.files.write(common.container, f"/tmp/{name}", b"gotcha"))
        assert (await common.files.read(common.container, "f")).data == b"mine"
