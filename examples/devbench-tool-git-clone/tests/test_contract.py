"""The tool keeps devbench's contract."""

from collections.abc import Sequence

import pytest
from git_repository import Repository

from devbench_core.bench import Bench
from devbench_core.testing.fake import FakeBench
from devbench_core.testing.kit import ToolContract
from devbench_core.testing.kit.tools import Examples
from devbench_core.tool import Tool
from devbench_tool_git_clone import plugin


class TestGitClone(ToolContract):
    """Every clause, on a devbench without an engine."""

    @pytest.fixture
    def tools(self) -> Sequence[Tool]:
        """What is tested."""
        return plugin.devbench_tools()

    @pytest.fixture
    def bench(self, fake: FakeBench) -> Bench:
        """Where it is called."""
        return fake.bench

    @pytest.fixture
    def examples(self, repository: Repository) -> Examples:
        """Arguments with which the tool succeeds."""
        repository.commit("first")
        return {"git_clone": [{"container": "lab", "url": repository.url}]}
