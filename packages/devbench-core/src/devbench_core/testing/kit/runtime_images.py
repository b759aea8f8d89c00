"""What a runtime promises of images: those that it is given, and those that are not there."""

from __future__ import annotations

import pytest

from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import ImageNotFound
from devbench_core.model.image import Image
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.runtime_opening import GetImage, WithRuntime
from devbench_core.testing.living import Live, Requests


@in_time
@pytest.mark.asyncio
@stated_by(Runtime.resolve_image)
class RuntimeImagesContract(WithRuntime):
    """What a runtime promises of images."""

    @stated_by(Runtime.resolve_image, Image)
    async def test_an_image_is_found_by_its_name_and_described(self, runtime: Runtime, image: GetImage):
        found = await image(runtime)
        assert found.id
        assert found.architecture in runtime.capabilities.architectures
        assert (await runtime.resolve_image(found.name)).id == found.id

    @stated_by(Runtime.images)
    async def test_images_are_listed_by_name(
        self, runtime: Runtime, image: GetImage, bare_image: GetImage | None
    ):
        given = [image] if bare_image is None else [image, bare_image]
        wanted = {(await get(runtime)).id for get in given}
        listed = await runtime.images()
        assert wanted <= {each.id for each in listed}
        assert [each.name for each in listed] == sorted(each.name for each in listed)

    async def test_an_image_that_is_not_there_is_not_found(self, runtime: Runtime, absent_image: str):
        with pytest.raises(ImageNotFound) as refused:
            await runtime.resolve_image(absent_image)
        assert absent_image in refused.value.message
        assert refused.value.hint

    @stated_by(Runtime.create)
    async def test_an_image_of_one_static_file_is_enough(
        self, wanted: Requests, live: Live, bare_image: GetImage | None
    ):
        if bare_image is None:
            pytest.skip("no image of one static file was given (fixture bare_image)")
        async with live(await wanted(bare_image)) as container:
            assert (await container.run("/busybox", "echo", "from nothing")).text == "from nothing\n"
            assert (await container.run("/busybox", "touch", "/workspace/x", "/tmp/x")).code == 0

    @stated_by(Runtime.create)
    async def test_a_distribution_with_an_interpreter_works(
        self, wanted: Requests, live: Live, python_image: GetImage | None
    ):
        if python_image is None:
            pytest.skip("no image with Python was given (fixture python_image)")
        async with live(await wanted(python_image)) as container:
            program = "import sys, os; print(sys.version_info[0], os.getcwd())"
            assert (await container.run("python3", "-c", program)).text == "3 /workspace\n"
