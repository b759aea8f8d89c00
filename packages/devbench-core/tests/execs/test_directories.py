"""The directory that a command runs in: there already, or made when that is asked for."""

from pathlib import PurePosixPath

import pytest

from devbench_core.errors import FileFailed, PathOutside, ValidationFailed
from devbench_core.model.execution import Exec, ExecReason, ExecRequest
from harness.agent_host import CONTAINER_ID, Host, LocalAgent


async def where(host: Host, cwd: str) -> str:
    request = ExecRequest(argv=("pwd", "-P"), cwd=PurePosixPath(cwd), create_cwd=True)
    ended = await host.execs.wait((await host.execs.start(CONTAINER_ID, request)).id, wait_s=10)
    assert ended.ending is not None
    assert ended.ending.exit_code == 0, ended.ending
    page = await host.execs.poll(ended.id)
    return b"".join(chunk.data for chunk in page.chunks).decode().strip()


async def refused(host: Host, cwd: str | None) -> Exec:
    path = None if cwd is None else PurePosixPath(cwd)
    return await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",), cwd=path, create_cwd=True))


async def test_a_missing_directory_fails_the_start_and_is_named(host: Host, local_agent: LocalAgent):
    ended = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",), cwd=PurePosixPath("no/where")))
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.failure) == (ExecReason.FAILED_TO_START, "bad_directory")
    assert "'no/where'" in ended.ending.message
    assert not (local_agent.workspace / "no").exists()


@pytest.mark.parametrize(
    ("cwd", "made"),
    [
        ("a", "a"),
        ("a/b/c", "a/b/c"),
        ("/workspace/x/y", "x/y"),
        ("a/./b//c/", "a/b/c"),
        ("a/../b", "b"),
        (".", ""),
        ("/workspace", ""),
        ("grüße", "grüße"),
    ],
)
async def test_a_directory_is_made_with_those_above_it_when_that_is_asked_for(
    host: Host, local_agent: LocalAgent, cwd: str, made: str
):
    for _ in range(2):
        assert await where(host, cwd) == str((local_agent.workspace / made).resolve())


async def test_a_directory_that_is_there_keeps_what_is_in_it(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "a").mkdir(mode=0o700)
    (local_agent.workspace / "a" / "kept").write_text("kept")
    assert await where(host, "a") == str((local_agent.workspace / "a").resolve())
    assert (local_agent.workspace / "a" / "kept").read_text() == "kept"
    assert (local_agent.workspace / "a").stat().st_mode & 0o777 == 0o700


async def test_a_link_on_the_way_is_followed_inside_and_refused_outside(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "real").mkdir()
    (local_agent.workspace / "in").symlink_to("real")
    (local_agent.workspace / "out").symlink_to("/tmp")
    assert await where(host, "in/deep") == str((local_agent.workspace / "real" / "deep").resolve())
    with pytest.raises(PathOutside, match="'/workspace/out/deep'"):
        await refused(host, "out/deep")


@pytest.mark.parametrize("cwd", ["/tmp/x", "../x", "a/../../x"])
async def test_nothing_is_made_outside_of_the_workspace(host: Host, cwd: str):
    with pytest.raises(PathOutside, match=cwd):
        await refused(host, cwd)


async def test_a_file_in_the_way_is_named_and_nothing_is_started(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "file").write_text("x")
    with pytest.raises(FileFailed, match="'/workspace/file/deep'"):
        await refused(host, "file/deep")
    with pytest.raises(FileFailed, match="'/workspace/file'"):
        await refused(host, "file")
    assert host.execs.running_here == 0
    assert await host.execs.list(CONTAINER_ID) == ()


async def test_a_directory_to_make_must_be_given_and_be_a_path(host: Host):
    with pytest.raises(ValidationFailed, match="create_cwd"):
        await refused(host, None)
    with pytest.raises(ValidationFailed, match="cwd: has a name of 300 bytes"):
        await refused(host, "x" * 300)


async def test_a_start_whose_directory_could_not_be_made_leaves_its_key_free(
    host: Host, local_agent: LocalAgent
):
    request = ExecRequest(argv=("pwd",), cwd=PurePosixPath("a/b"), create_cwd=True)
    (local_agent.workspace / "a").write_text("in the way")
    with pytest.raises(FileFailed):
        await host.execs.start(CONTAINER_ID, request, idempotency_key="k")
    (local_agent.workspace / "a").unlink()
    started = await host.execs.start(CONTAINER_ID, request, idempotency_key="k")
    assert not started.replayed
    assert (local_agent.workspace / "a" / "b").is_dir()
