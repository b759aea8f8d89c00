"""Containers on disk that another version of devbench made, or that are damaged."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.errors import EngineFailed
from devbench_core.testing.living import Requests
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime


def newer(text: str) -> str:
    data = json.loads(text)
    data["policy"]["clause_of_tomorrow"] = True
    return json.dumps(data)


def cut(text: str) -> str:
    return text[:40]


def a_list(_text: str) -> str:
    return "[1]"


def nobodys(_text: str) -> str:
    return "{}"


async def refs(runtime: BubblewrapRuntime, installation: str) -> list[str]:
    return [seen.ref async for seen in runtime.list(installation)]


@pytest.mark.parametrize("spoil", [newer, cut, a_list, nobodys])
async def test_what_cannot_be_read_of_ours_is_told_by_name_and_hides_no_other(
    runtime: BubblewrapRuntime,
    wanted: Requests,
    context: OpenContext,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[str], str],
):
    fine = await runtime.create(await wanted())
    bad = await runtime.create(await wanted())
    spec = runtime.folders.container(bad).spec
    spec.write_text(spoil(spec.read_text()))
    assert await refs(runtime, context.installation) == [fine]
    if spoil is not nobodys:  # whose that is nobody can tell
        assert bad in caplog.text
    with pytest.raises(EngineFailed, match=bad):
        await runtime.inspect(bad)
    await runtime.remove(bad)
    assert not spec.exists()


async def test_another_installations_containers_of_a_newer_version_are_passed_over_in_silence(
    runtime: BubblewrapRuntime, wanted: Requests, caplog: pytest.LogCaptureFixture
):
    ref = await runtime.create(await wanted())
    spec = runtime.folders.container(ref).spec
    spec.write_text(newer(spec.read_text()))
    assert await refs(runtime, "another") == []
    assert caplog.text == ""
    await runtime.remove(ref)
