"""bubblewrap keeps the contract of runtimes, for root and for an ordinary user."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.hosts import claims_of
from contract.runtime.bubblewrap_engine import FOLDER, image_of, left_of
from devbench_core.testing.kit import Claims, RuntimeContract
from devbench_core.testing.kit.runtime_opening import GetImage, Leftovers, OpenRuntime
from devbench_runtime_bubblewrap.plugin import plugin
from devbench_runtime_bubblewrap.settings import BubblewrapSettings

(PROVIDER,) = plugin.devbench_runtimes()


class TestBubblewrap(RuntimeContract):
    """The machine's own bwrap."""

    @pytest.fixture
    def open_runtime(self) -> OpenRuntime:
        return lambda context: PROVIDER.open(BubblewrapSettings(folder=FOLDER), context)

    @pytest.fixture
    def claims(self) -> Claims:
        return claims_of("bubblewrap")

    @pytest.fixture
    def image(self, rootfs_tar: Callable[[str], Path]) -> GetImage:
        return lambda runtime: image_of(runtime, rootfs_tar("busybox"))

    @pytest.fixture
    def bare_image(self, rootfs_tar: Callable[[str], Path]) -> GetImage:
        return lambda runtime: image_of(runtime, rootfs_tar("empty"))

    @pytest.fixture
    def python_image(self, rootfs_tar: Callable[[str], Path]) -> GetImage:
        return lambda runtime: image_of(runtime, rootfs_tar("debian"))

    @pytest.fixture
    def absent_image(self) -> str:
        return "never-was"

    @pytest.fixture
    def leftovers(self) -> Leftovers:
        return lambda context: asyncio.to_thread(left_of, context.installation)
