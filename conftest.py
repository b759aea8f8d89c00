"""Fixtures and hooks that every test of every package shares."""

import gc
import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from engines import commands, images
from engines.places import DOCKER_HOST_VARIABLE
from harness import ordinary_user, podman_suite
from harness.loop_stall import LoopWatch
from harness.postgres import Server, server

pytest_plugins = ["pytester", "devbench_core.testing.pytest_plugin"]
_STALL_MARK = "loop_may_stall"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks."""
    config.addinivalue_line("markers", f"{_STALL_MARK}(reason): the test may block its event loop")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run a part of the shared tests on Podman; ``DEVBENCH_TEST_PODMAN=all`` asks for all of them."""
    podman_suite.deselect_most(config, items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector pass over what was collected."""
    _ = session  # with thousands of tests each of its rounds stops event loops for a quarter of a second
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def docker_host() -> str:
    """The address of a Docker engine that has the test images.

    There is one under ``nox -s tests`` and after ``nox -s engines``; without one the test fails.
    """
    host = commands.answering_host()
    if host is None:
        pytest.fail("no Docker engine answers; start one with: uv run nox -s engines")
    images.provide(host)
    os.environ[DOCKER_HOST_VARIABLE] = host
    return host


@pytest.fixture(scope="session")
def docker_image(docker_host: str) -> Callable[[str], str]:
    """Give the reference of a test image: ``docker_image("busybox")``, ``"empty"`` or ``"debian"``."""
    assert docker_host
    return images.image_reference


@pytest.fixture(scope="session")
def podman_host() -> str:
    """The address of a Podman service for tests that has the test images; without one the test fails."""
    host = commands.answering_podman()
    if host is None:
        pytest.fail("no Podman service for tests answers; start one with: uv run nox -s engines")
    images.provide(host)
    return host


@pytest.fixture(scope="session")
def podman_image(podman_host: str) -> Callable[[str], str]:
    """Give the reference of a test image on Podman: ``podman_image("busybox")``."""
    assert podman_host
    return lambda name: f"docker.io/{images.image_reference(name)}"


@pytest.fixture(scope="session")
def postgres_server() -> Generator[Server]:
    """A PostgreSQL server of this run; without the programs the test fails."""
    with server() as running:
        yield running


@pytest.fixture(scope="session")
def rootfs_tar() -> Callable[[str], Path]:
    """Give the tar of a test image's root file system, readable to everybody: ``rootfs_tar("busybox")``."""
    return images.rootfs_tar


@pytest.fixture(scope="session")
def unprivileged_user() -> tuple[int, int]:
    """The user and group id of an ordinary user (our own unless the tests run as root)."""
    return ordinary_user.ordinary_ids()


@pytest.fixture(scope="session")
def as_ordinary_user() -> Callable[[Sequence[str]], list[str]]:
    """Give the command that runs another as the ordinary user: ``as_ordinary_user([sys.executable, …])``."""
    return ordinary_user.as_ordinary_user


@pytest.fixture(scope="session", autouse=True)
def _loop_watch() -> Generator[LoopWatch]:
    watch = LoopWatch()
    with watch.installed():
        yield watch


@pytest.fixture(autouse=True)
def _loop_never_stalls(_loop_watch: LoopWatch, request: pytest.FixtureRequest) -> Generator[None]:
    """Fail a test during which devbench's own code blocked an event loop."""
    _loop_watch.take()
    yield
    stalls = _loop_watch.take()
    if stalls and request.node.get_closest_marker(_STALL_MARK) is None:
        pytest.fail("\n".join(map(str, stalls)), pytrace=False)
