"""Podman keeps the contract of runtimes."""

import pytest

from contract.hosts import claims_of
from contract.runtime.cut_off import cut_off
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import LABEL_INSTALLATION
from devbench_core.testing.kit import Claims, RuntimeContract
from devbench_core.testing.kit.runtime_opening import GetImage, Leftovers, OpenRuntime
from devbench_runtime_podman.calls import PodmanCalls
from devbench_runtime_podman.engine import connected
from devbench_runtime_podman.plugin import plugin
from devbench_runtime_podman.settings import PodmanSettings
from engines.images import image_reference

(PROVIDER,) = plugin.devbench_runtimes()


def _named(name: str) -> GetImage:
    return lambda runtime: runtime.resolve_image(f"docker.io/{image_reference(name)}")


class TestPodman(RuntimeContract):
    """The service that the fixture ``podman_host`` names, which has the test images."""

    @pytest.fixture
    def settings(self, podman_host: str) -> PodmanSettings:
        return PodmanSettings(host=podman_host)

    @pytest.fixture
    def open_runtime(self, settings: PodmanSettings) -> OpenRuntime:
        return lambda context: PROVIDER.open(settings, context)

    @pytest.fixture
    def claims(self) -> Claims:
        return claims_of("podman")

    @pytest.fixture
    def image(self) -> GetImage:
        return _named("busybox")

    @pytest.fixture
    def bare_image(self) -> GetImage:
        return _named("empty")

    @pytest.fixture
    def python_image(self) -> GetImage:
        return _named("debian")

    @pytest.fixture
    def open_cut_off(self, settings: PodmanSettings, podman_host: str) -> OpenRuntime:
        return cut_off(PROVIDER, settings, podman_host)

    @pytest.fixture
    def leftovers(self, settings: PodmanSettings) -> Leftovers:
        async def on_the_engine(context: OpenContext) -> list[str]:
            labels = {LABEL_INSTALLATION: context.installation}
            async with connected(settings) as engine:
                calls = PodmanCalls(engine)
                return [each.name for each in (*await calls.containers(labels), *await calls.volumes(labels))]

        return on_the_engine
