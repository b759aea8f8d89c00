"""Docker keeps the contract of runtimes."""

import json

import pytest

from contract.hosts import claims_of
from contract.runtime.cut_off import cut_off
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import LABEL_INSTALLATION
from devbench_core.testing.kit import Claims, RuntimeContract
from devbench_core.testing.kit.runtime_opening import GetImage, Leftovers, OpenRuntime
from devbench_runtime_docker.engine import connected
from devbench_runtime_docker.plugin import plugin
from devbench_runtime_docker.settings import DockerSettings
from engines.images import image_reference

(PROVIDER,) = plugin.devbench_runtimes()


class TestDocker(RuntimeContract):
    """The engine that the fixture ``docker_host`` names, which has the test images."""

    @pytest.fixture
    def settings(self, docker_host: str) -> DockerSettings:
        return DockerSettings(host=docker_host, prepared_workspaces=2)

    @pytest.fixture
    def open_runtime(self, settings: DockerSettings) -> OpenRuntime:
        return lambda context: PROVIDER.open(settings, context)

    @pytest.fixture
    def claims(self) -> Claims:
        return claims_of("docker")

    @pytest.fixture
    def image(self) -> GetImage:
        return lambda runtime: runtime.resolve_image(image_reference("busybox"))

    @pytest.fixture
    def bare_image(self) -> GetImage:
        return lambda runtime: runtime.resolve_image(image_reference("empty"))

    @pytest.fixture
    def python_image(self) -> GetImage:
        return lambda runtime: runtime.resolve_image(image_reference("debian"))

    @pytest.fixture
    def open_cut_off(self, settings: DockerSettings, docker_host: str) -> OpenRuntime:
        return cut_off(PROVIDER, settings.model_copy(update={"prepared_workspaces": 0}), docker_host)

    @pytest.fixture
    def leftovers(self, settings: DockerSettings) -> Leftovers:
        async def on_the_engine(context: OpenContext) -> list[str]:
            params = {"filters": json.dumps({"label": [f"{LABEL_INSTALLATION}={context.installation}"]})}
            async with connected(settings) as engine:
                await engine.negotiate()
                listed = {"all": "1", **params}
                containers = await engine.call("GET", "containers/json", doing="list", params=listed)
                volumes = await engine.call("GET", "volumes", doing="list", params=params)
            names = [each["Names"] for each in containers] + [
                each["Name"] for each in volumes["Volumes"] or ()
            ]
            return [str(name) for name in names]

        return on_the_engine
