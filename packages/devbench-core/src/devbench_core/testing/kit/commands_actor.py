"""The program that does in a container what tests want, where a shell's word for it would not be exact."""

from __future__ import annotations

import pytest
import pytest_asyncio

from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.compiling import compiled
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import WithHost

ACTOR = "./actor"
"""The program of ``actor.c``, in the workspace, which is where commands begin."""


@needs(Trait.SHELL)
class WithActor(WithHost):
    """Tests whose containers have the program in their workspace."""

    @pytest.fixture(scope="session")
    @classmethod
    def actor(cls, tmp_path_factory: pytest.TempPathFactory) -> bytes:
        """Give the program."""
        return compiled("actor", tmp_path_factory.mktemp("actor")).read_bytes()

    @pytest_asyncio.fixture(scope="class", loop_scope="class", autouse=True)
    @classmethod
    async def _actor_is_there(cls, lab: Lab, actor: bytes) -> None:
        if lab.has_shell:
            await lab.files.write(lab.container, "actor", actor, mode=0o755)
