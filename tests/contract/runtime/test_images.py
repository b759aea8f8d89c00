"""Images: the three that every runtime can be given, and those that are not there."""

import pytest

from contract.runtime.enginetable import EngineUnderTest
from contract.runtime.fixtures import GetImage, Live, Requests
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import ImageNotFound


async def test_an_image_is_found_by_its_name_and_described(runtime: Runtime, image: GetImage):
    found = await image("busybox")
    assert found.id
    assert found.architecture in runtime.capabilities.architectures
    assert (await runtime.resolve_image(found.name)).id == found.id


async def test_images_are_listed_by_name(runtime: Runtime, image: GetImage):
    wanted = {(await image(name)).id for name in ("busybox", "empty")}
    listed = await runtime.images()
    assert wanted <= {each.id for each in listed}
    assert [each.name for each in listed] == sorted(each.name for each in listed)


async def test_an_image_that_is_not_there_is_not_found(runtime: Runtime, engine: EngineUnderTest):
    with pytest.raises(ImageNotFound) as refused:
        await runtime.resolve_image(engine.absent_image)
    assert engine.absent_image in refused.value.message
    assert refused.value.hint


async def test_an_image_of_one_static_file_is_enough(wanted: Requests, live: Live):
    async with live(await wanted("empty")) as container:
        assert (await container.run("/busybox", "echo", "from nothing")).text == "from nothing\n"
        assert (await container.run("/busybox", "touch", "/workspace/x", "/tmp/x")).code == 0


async def test_a_distribution_with_an_interpreter_works(wanted: Requests, live: Live):
    async with live(await wanted("debian")) as container:
        program = "import sys, os; print(sys.version_info[0], os.getcwd())"
        assert (await container.run("python3", "-c", program)).text == "3 /workspace\n"
