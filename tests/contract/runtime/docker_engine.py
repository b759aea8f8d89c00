"""The suite's Docker engine: the one that the fixture ``docker_host`` names."""

import json

from contract.runtime.enginetable import EngineUnderTest, Places
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import LABEL_INSTALLATION, Runtime
from devbench_core.model.image import Image
from devbench_runtime_docker.engine import connected
from devbench_runtime_docker.plugin import plugin
from devbench_runtime_docker.settings import DockerSettings
from engines.images import image_reference


def _settings(places: Places) -> DockerSettings:
    return DockerSettings(host=places.docker_host(), prepared_workspaces=2)


async def _image(runtime: Runtime, name: str, places: Places) -> Image:
    places.docker_host()
    return await runtime.resolve_image(image_reference(name))


async def _leftovers(context: OpenContext, places: Places) -> list[str]:
    filters = json.dumps({"label": [f"{LABEL_INSTALLATION}={context.installation}"]})
    async with connected(_settings(places)) as engine:
        await engine.negotiate()
        containers = await engine.call(
            "GET", "containers/json", doing="list", params={"all": "1", "filters": filters}
        )
        volumes = await engine.call("GET", "volumes", doing="list", params={"filters": filters})
    return [str(each["Names"]) for each in containers] + [
        str(each["Name"]) for each in volumes["Volumes"] or ()
    ]


DOCKER = EngineUnderTest(
    provider=plugin.devbench_runtimes()[0],
    settings=_settings,
    image=_image,
    leftovers=_leftovers,
    absent_image="docker.io/devbench-test/never-was:latest",
)
