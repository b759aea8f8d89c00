"""A runtime of a plugin keeps the contract, alone and beneath a host, as far as it says itself that it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.contracts.runtime import Runtime
from devbench_core.hookspecs import hookimpl
from devbench_core.model.image import Image
from devbench_core.testing.check.subject import Subject
from devbench_core.testing.fake import FakePlugin
from devbench_core.testing.kit import Claims, HostContract, RuntimeContract
from devbench_core.testing.kit.claims import POWERS
from devbench_core.testing.kit.runtime_opening import GetImage, OpenRuntime


class Offered:
    """A plugin of the checked provider alone."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    @hookimpl
    def devbench_runtimes(self) -> Sequence[Provider[Runtime]]:
        """Offer it."""
        return [self._subject.provider]


@pytest.fixture(scope="module")
def claims(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Claims:
    """Ask it, on a loop of its own."""
    return asyncio.run(_claims(subject, tmp_path_factory.mktemp("claims")))


class TestRuntime(RuntimeContract):
    """Opened as a host does; what it claims is what it shows when it is open."""

    @pytest.fixture
    def open_runtime(self, subject: Subject) -> OpenRuntime:
        """Open the runtime that is checked."""
        settings = subject.provider.settings.model_validate(dict(subject.settings))
        return lambda context: subject.provider.open(settings, context)

    @pytest.fixture
    def image(self, subject: Subject) -> GetImage:
        """Take the image that was named, or the first."""
        return lambda runtime: _image(subject, runtime)


class TestHost(HostContract):
    """Beneath a host whose other parts are fakes, which keep what they have until the end of the class."""

    @pytest.fixture(scope="class")
    @classmethod
    def host_plugins(cls, subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Sequence[object]:
        """Offer the runtime, and the fakes."""
        return [Offered(subject), FakePlugin(tmp_path_factory.mktemp("fakes"))]

    @pytest.fixture(scope="class")
    @classmethod
    def host_config(cls, subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
        """Name them, and the image."""
        folder = tmp_path_factory.mktemp("host")
        return {
            "plugins": [],
            "runtime": subject.provider.name,
            "store": "fake",
            "lock": "fake",
            "plugin": {subject.provider.name: dict(subject.settings)},
            "state_dir": str(folder / "state"),
            "cache_dir": str(folder / "cache"),
            "images": {"default": asyncio.run(_image_name(subject, folder)), "pull_policy": "never"},
            "startup": {"engine_silent": "fail"},
        }


@asynccontextmanager
async def _opened(subject: Subject, folder: Path) -> AsyncGenerator[Runtime]:
    settings = subject.provider.settings.model_validate(dict(subject.settings))
    context = OpenContext(installation="i_claims", state_dir=folder, cache_dir=folder, clock=SystemClock())
    async with subject.provider.open(settings, context) as opened:
        yield cast("Runtime", opened)


async def _claims(subject: Subject, folder: Path) -> Claims:
    async with _opened(subject, folder) as runtime:
        shown = runtime.capabilities
        return Claims(
            enforces=shown.enforces,
            images=shown.images,
            architectures=shown.architectures,
            powers=frozenset(power for power in POWERS if isinstance(runtime, power)),
        )


async def _image(subject: Subject, runtime: Runtime) -> Image:
    if subject.images:
        return await runtime.resolve_image(subject.images[0])
    images = await runtime.images()
    if not images:
        raise AssertionError("the runtime has no image: name one with --image")
    return images[0]


async def _image_name(subject: Subject, folder: Path) -> str:
    async with _opened(subject, folder) as runtime:
        return (await _image(subject, runtime)).name
