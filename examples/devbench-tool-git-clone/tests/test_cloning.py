"""What the tool does with real repositories."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from git_repository import Repository

from devbench_core.errors import DevbenchError, ValidationFailed
from devbench_core.model.execution import ExecReason
from devbench_core.testing.fake import FakeBench
from devbench_tool_git_clone.tool import GitCloneInput

DEADLINE_S = 20
LOOK_S = 0.01


async def clone(fake: FakeBench, url: str, **arguments: Any) -> tuple[str, str]:
    answer = await fake.call("git_clone", container="lab", url=url, **arguments)
    return str(answer["folder"]), str(answer["commit"])


async def text_in(fake: FakeBench, folder: str) -> bytes:
    return (await fake.bench.files.read("lab", f"{folder}/text")).data


async def test_a_repositorys_files_are_there_and_its_newest_commit_is_told(
    fake: FakeBench, repository: Repository
):
    repository.commit("first")
    newest = repository.commit("second")
    assert await clone(fake, repository.url) == ("repository", newest)
    assert await text_in(fake, "repository") == b"second"


async def test_no_more_of_the_history_is_there_than_was_asked_for(fake: FakeBench, repository: Repository):
    _, middle, _ = (repository.commit(text) for text in ("first", "second", "third"))
    await clone(fake, repository.url, depth=2)
    cut = await fake.bench.files.read(
        "lab", "repository/.git/shallow"
    )  # where git says that its history begins
    assert cut.data.decode().split() == [middle]


async def test_a_branch_is_checked_out_by_its_name(fake: FakeBench, repository: Repository):
    repository.commit("first")
    repository.git("checkout", "-q", "-b", "fix/it")
    fixed = repository.commit("fixed")
    repository.git("checkout", "-q", "main")
    assert (await clone(fake, repository.url, branch="fix/it"))[1] == fixed
    assert await text_in(fake, "repository") == b"fixed"


async def test_an_empty_repository_has_no_commit(fake: FakeBench, repository: Repository):
    assert await clone(fake, repository.url) == ("repository", "")


@pytest.mark.parametrize(
    "url",
    [
        "--upload-pack=touch marked;",
        "-oProxyCommand=touch marked",
        "ext::sh -c touch% marked",
        "ssh://-oProxyCommand=touch%20marked/x",
        "ssh://me@-oProxyCommand=touch%20marked/x",
        "me@example.org:--upload-pack=touch",
        "file:///x\n--upload-pack=touch marked",
        "repository",
        "",
    ],
)
async def test_an_address_that_could_be_an_option_or_a_command_is_refused_before_git_runs(
    fake: FakeBench, url: str
):
    with pytest.raises(ValidationFailed, match="url"):
        await clone(fake, url)
    assert await fake.bench.execs.list("lab") == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("folder", "../outside"),
        ("folder", "/tmp/outside"),
        ("folder", "in/../../outside"),
        ("folder", "--bare"),
        ("folder", "in/.git"),
        ("branch", "--upload-pack=x"),
        ("branch", "a b"),
        ("depth", 0),
    ],
)
async def test_what_leads_out_or_is_no_name_is_refused_before_git_runs(
    fake: FakeBench, repository: Repository, field: str, value: object
):
    with pytest.raises(ValidationFailed, match=field):
        await clone(fake, repository.url, **{field: value})
    assert await fake.bench.execs.list("lab") == ()


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a/b.git",
        "https://user:secret@example.org:8443/~a/b@c",
        "ssh://git@example.org/a",
        "git@example.org:a/b.git",
        "git://[::1]/a",
    ],
)
def test_addresses_that_git_knows_are_taken(url: str):
    assert GitCloneInput(container="lab", url=url).url == url


async def test_what_git_says_of_a_failure_is_told_with_a_code(fake: FakeBench, tmp_path: Path):
    with pytest.raises(DevbenchError, match="git clone: fatal") as caught:
        await clone(fake, f"file://{tmp_path}/nothing")
    assert caught.value.code == "git_failed"


async def test_a_folder_that_is_there_is_left_as_it_is(fake: FakeBench, repository: Repository):
    repository.commit("first")
    await fake.bench.files.write("lab", "mine/text", b"mine", parents=True)
    with pytest.raises(DevbenchError, match="already exists"):
        await clone(fake, repository.url, folder="mine")
    assert await text_in(fake, "mine") == b"mine"


async def test_a_cancelled_call_leaves_no_git_behind(fake: FakeBench):
    asked = asyncio.Event()

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()  # until git is gone
        writer.close()

    async with await asyncio.start_server(never_answers, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        call = asyncio.create_task(clone(fake, f"git://127.0.0.1:{port}/x"))
        async with asyncio.timeout(DEADLINE_S):
            await asked.wait()
            while not (started := await fake.bench.execs.list("lab")):
                await asyncio.sleep(LOOK_S)  # git may have connected before the start of it was written down
            call.cancel()
            await asyncio.wait([call])
            (git,) = started
            ended = await fake.bench.execs.wait(git.id, wait_s=DEADLINE_S)
    assert ended.ending is not None
    assert ended.ending.reason is ExecReason.CANCELLED
