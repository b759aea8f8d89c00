"""What a command in a container is, sees and cannot do."""

import json
import os
from pathlib import Path

import attrs
import pytest

from devbench_core.model.image import Image
from devbench_core.model.policy import Network, Policy
from devbench_core.testing.living import Live, Requests
from devbench_runtime_bubblewrap.processes import read_mark
from devbench_runtime_bubblewrap.program import CLEAN_ENVIRONMENT
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime

FIELDS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
UNTOUCHABLE = (
    "/",
    "/usr",
    "/usr/bin",
    "/etc",
    "/etc/passwd",
    "/dev",
    "/.devbench",
    "/var",
    "/proc/sys/kernel/hostname",
)
AS_ROOT = os.geteuid() == 0


def seen_outside(pid: int | str, name: str) -> str:
    """Return what a process is from outside, by one of its files in /proc."""
    return Path(f"/proc/{pid}/{name}").read_bytes().decode()


def status_field(pid: int, field: str) -> list[str]:
    rows = seen_outside(pid, "status").splitlines()
    return next(row.split()[1:] for row in rows if row.startswith(f"{field}:"))


def open_files(pid: int) -> set[str]:
    return {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}


def fields(status: str) -> dict[str, str]:
    rows = (line.split(":\t") for line in status.splitlines())
    return {row[0]: row[1].strip() for row in rows if row[0] in FIELDS}


async def test_a_command_has_no_capability_can_gain_none_and_is_filtered(live: Live, wanted: Requests):
    async with live(await wanted()) as container:
        outcome = await container.run("/usr/bin/cat", "/proc/self/status")
        first = await container.run("/usr/bin/cat", "/proc/1/status")
    nothing = dict.fromkeys(FIELDS[:5], "0" * 16)
    assert fields(outcome.text) == {**nothing, "NoNewPrivs": "1", "Seccomp": "2"}
    assert fields(first.text) == fields(outcome.text)


async def test_a_command_is_not_root_on_this_machine(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests
):
    async with live(await wanted()) as container:
        mark = read_mark(runtime.folders.container(container.ref).process)
        assert mark is not None
        assert (await container.run("/usr/bin/id", "-u")).text == "1000\n"
        assert status_field(mark.pid, "Uid") == [str(runtime.user.uid)] * 4
    assert runtime.user.uid == (runtime.settings.run_as if AS_ROOT else os.geteuid())


async def test_as_user_0_of_a_container_a_command_is_still_nobody_special(
    live: Live, wanted: Requests, policy: Policy
):
    async with live(await wanted(policy=attrs.evolve(policy, user="0:0"))) as container:
        assert (await container.run("/usr/bin/id", "-un")).text == "root\n"
        outcome = await container.run("/usr/bin/cat", "/proc/self/status")
        assert fields(outcome.text)["CapEff"] == "0" * 16
        assert (await container.run("/usr/bin/touch", "/usr/x")).code == 1


@pytest.mark.parametrize("path", UNTOUCHABLE)
async def test_nothing_but_the_workspace_and_scratch_can_be_written(live: Live, wanted: Requests, path: str):
    script = f"if [ -d {path} ]; then touch {path}/new; else echo x >> {path}; fi"
    async with live(await wanted()) as container:
        outcome = await container.run("/bin/sh", "-c", script)
        assert outcome.code != 0, outcome
        allowed = "touch /workspace/a /tmp/a /dev/shm/a && echo x > /dev/null"
        assert (await container.run("/bin/sh", "-c", allowed)).code == 0


async def test_the_processes_of_this_machine_are_not_seen(live: Live, wanted: Requests):
    async with live(await wanted()) as container:
        outcome = await container.run("/bin/sh", "-c", "cat /proc/[0-9]*/comm")
    assert set(outcome.text.split()) <= {"devbench-agent", "keeper", "devbench-keeper", "sh", "cat"}


async def test_the_files_of_this_machine_are_not_seen(live: Live, wanted: Requests):
    async with live(await wanted()) as container:
        outcome = await container.run("/bin/sh", "-c", "ls /root /home /etc/shadow /var/tmp/devbench* /sys")
    assert "No such file" in outcome.text
    assert outcome.text.count("No such file") == 4  # /home is an empty folder


async def test_no_network_but_a_loopback_is_there(live: Live, wanted: Requests, policy: Policy):
    async with live(await wanted()) as container:
        outcome = await container.run("/usr/bin/cat", "/proc/net/dev")
    assert [line.split(":")[0].strip() for line in outcome.text.splitlines()[2:]] == ["lo"]
    shared = attrs.evolve(policy, network=Network.ENGINE)
    async with live(await wanted(policy=shared)) as container:
        outcome = await container.run("/usr/bin/cat", "/proc/net/dev")
    assert outcome.text.splitlines()[2:] != []
    assert len(outcome.text.splitlines()) == len(seen_outside("self", "net/dev").splitlines())


async def test_nothing_of_the_host_s_environment_gets_in(
    live: Live, wanted: Requests, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DEVBENCH_SECRET_OF_HOST", "x")
    async with live(await wanted(env={"A": "1 2", "EMPTY": ""})) as container:
        outcome = await container.run("/usr/bin/env")
    names = {line.split("=")[0] for line in outcome.text.splitlines()}
    assert names <= {"A", "EMPTY", "PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_"}
    assert "A=1 2" in outcome.text.splitlines()


async def test_a_container_s_environment_is_in_no_list_of_processes(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests
):
    secret = "s3cr3t-of-container"
    async with live(await wanted(env={"TOKEN": secret, "LD_PRELOAD": "/workspace/evil.so"})) as container:
        mark = read_mark(runtime.folders.container(container.ref).process)
        assert mark is not None
        parent = status_field(mark.pid, "PPid")[0]
        assert secret not in seen_outside(parent, "cmdline")
        words = seen_outside(parent, "environ").split("\0") if AS_ROOT else []
        assert {word.split("=")[0] for word in words if word} <= {*CLEAN_ENVIRONMENT, "PWD"}


async def test_no_descriptor_of_the_host_gets_in(runtime: BubblewrapRuntime, live: Live, wanted: Requests):
    async with live(await wanted()) as container:
        outcome = await container.run("/bin/ls", "/proc/self/fd")
        mark = read_mark(runtime.folders.container(container.ref).process)
        assert mark is not None
        if AS_ROOT:
            links = open_files(mark.pid)
            assert not [link for link in links if link.endswith("/status") or "memfd" in link]
    assert outcome.text.split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


async def test_the_scratch_space_is_bounded(live: Live, wanted: Requests, policy: Policy):
    small = attrs.evolve(policy, tmpfs_bytes=2 * 1024 * 1024)
    fill = ["/usr/bin/head", "-c", "4000000", "/dev/zero"]
    async with live(await wanted(policy=small)) as container:
        for folder in ("/tmp", "/dev/shm"):
            outcome = await container.run("/bin/sh", "-c", f"{' '.join(fill)} > {folder}/big")
            assert "No space left" in outcome.text


async def test_commands_share_one_process_list_and_scratch_space(live: Live, wanted: Requests):
    async with live(await wanted()) as container:
        await container.run("/bin/sh", "-c", "sleep 300 & echo $! > /tmp/pid")
        outcome = await container.run("/bin/sh", "-c", "cat /proc/$(cat /tmp/pid)/comm")
    assert outcome.text == "sleep\n"


async def test_names_and_certificates_work_in_the_image_host(live: Live, wanted: Requests):
    async with live(await wanted()) as container:
        outcome = await container.run(
            "/bin/sh", "-c", "id -un; hostname; ls /etc/ssl/certs | wc -l; echo $HOME"
        )
    name, host, _, home = outcome.text.split()
    assert (name, host, home) == ("dev", "devbench", "/workspace")


async def test_an_imported_image_is_as_isolated_as_the_host_s(live: Live, wanted: Requests, debian: Image):
    async with live(await wanted(debian)) as container:
        status = await container.run("cat", "/proc/self/status")
        assert fields(status.text)["Seccomp"] == "2"
        assert (await container.run("touch", "/etc/x")).code == 1
        assert (await container.run("touch", "/workspace/x")).code == 0
        found = await container.run(
            "python3", "-c", "import json, sys; print(json.dumps(sys.version_info[:2]))"
        )
    assert json.loads(found.text)[0] == 3


async def test_a_policy_s_capability_holds_in_the_container_only(
    live: Live, wanted: Requests, policy: Policy
):
    async with live(
        await wanted(policy=attrs.evolve(policy, capabilities=("NET_BIND_SERVICE",)))
    ) as container:
        outcome = await container.run("/usr/bin/cat", "/proc/self/status")
    assert int(fields(outcome.text)["CapEff"], 16) == 1 << 10
    assert int(fields(outcome.text)["CapBnd"], 16) == 1 << 10
