"""What a runtime promises of a container's inside: its agent, its environment, and nothing of the machine."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from devbench_core.contracts.runtime import AGENT_PATH, SOCKET_FOLDER, CreateRequest
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.runtime_opening import WithRuntime
from devbench_core.testing.living import Live, Requests

PLACE = Path("/var/tmp")
VARIABLE = "DEVBENCH_KIT_OF_THE_MACHINE"


@in_time
@pytest.mark.asyncio
@stated_by(CreateRequest)
class RuntimeIsolationContract(WithRuntime):
    """What a container is like inside."""

    @pytest.fixture
    def of_the_machine(self, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
        """Give a word that a folder and a variable of this machine have."""
        word = f"kit-{secrets.token_hex(8)}"
        monkeypatch.setenv(VARIABLE, word)
        with tempfile.TemporaryDirectory(prefix=word, dir=PLACE):
            yield word

    async def test_the_environment_is_as_asked(self, wanted: Requests, live: Live):
        request = await wanted(env={"GREETING": "hello world", "EMPTY": ""})
        async with live(request) as container:
            assert await container.shell('echo "$GREETING/$EMPTY/${EMPTY+set}"') == "hello world//set\n"

    @needs(Trait.OWN_ROOT)
    async def test_the_working_directory_is_as_asked(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            assert await container.shell("pwd") == "/workspace\n"

    @needs(Trait.OWN_ROOT)
    async def test_programs_run_from_the_workspace_and_from_tmp(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            for place in ("/workspace", "/tmp"):
                assert await container.shell(f"cp /bin/echo {place}/echo && {place}/echo ran") == "ran\n"

    @needs(Trait.OWN_ROOT)
    async def test_the_socket_folder_is_private_to_the_user(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            shown = await container.shell(f"stat -c '%a %u' {SOCKET_FOLDER}; id -u")
            mode_and_owner, user = shown.splitlines()
            assert mode_and_owner == f"700 {user}"

    @needs(Trait.OWN_ROOT)
    async def test_the_agent_is_pid_1_and_cannot_be_changed(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            assert container.channel.agent.pid == 1
            change = f"(echo x > {AGENT_PATH} || rm -f {AGENT_PATH}) 2>&1; echo; kill -9 1; echo on"
            assert (await container.shell(change)).endswith("on\n")
            assert (await container.run("/bin/echo", "alive")).text == "alive\n"

    @needs(Trait.OWN_ROOT)
    async def test_nothing_of_the_machine_is_seen(self, wanted: Requests, live: Live, of_the_machine: str):
        async with live(await wanted()) as container:
            assert int(await container.shell("ls /proc | grep '^[0-9]' | wc -l")) < 10
            shown = await container.shell(f"cat /proc/1/environ; ls -a {PLACE} 2>&1")
            assert of_the_machine not in shown
