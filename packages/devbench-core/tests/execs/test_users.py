"""A command runs as its container's user; one for anybody else is refused by name."""

import os

import pytest

from devbench_core.errors import ValidationFailed
from devbench_core.idempotency import KIND
from devbench_core.model.execution import ExecRequest
from harness.agent_host import CONTAINER_ID, Host

UID, GID = os.getuid(), os.getgid()  # the agent of these tests is a process of ours


@pytest.mark.parametrize("user", [None, f"{UID}", f"{UID}:{GID}"])
async def test_a_command_may_ask_for_its_containers_own_user(host: Host, user: str | None):
    request = ExecRequest(argv=("id", "-u"), user=user)
    ended = await host.execs.wait((await host.execs.start(CONTAINER_ID, request)).id, wait_s=10)
    page = await host.execs.poll(ended.id)
    assert page.chunks[0].data == b"%d\n" % UID


@pytest.mark.parametrize("user", [f"{UID + 1}", f"{UID}:{GID + 1}", f"{UID + 1}:{GID}"])
@pytest.mark.parametrize("key", [None, "k"])
async def test_another_user_is_refused_by_name_and_nothing_is_started(host: Host, user: str, key: str | None):
    request = ExecRequest(argv=("true",), user=user)
    with pytest.raises(
        ValidationFailed, match=f"user: .* run as {UID}:{GID}; none can run as {user}"
    ) as caught:
        await host.execs.start(CONTAINER_ID, request, idempotency_key=key)
    assert caught.value.details == {"field": "user", "limit": f"{UID}:{GID}"}
    assert "policy.user" in caught.value.hint
    assert host.execs.running_here == 0
    assert await host.execs.list(CONTAINER_ID) == ()
    assert (await host.store.list(KIND)).records == ()


@pytest.mark.parametrize("user", ["", "root", "-1", "1000:", ":1", "01", "1000:users", "1 000", "1\n"])
async def test_what_names_no_user_is_refused(host: Host, user: str):
    with pytest.raises(ValidationFailed, match="must be a numeric uid or uid:gid"):
        await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",), user=user))
