"""What bubblewrap refuses, diagnoses and says."""

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import attrs
import pytest
from pydantic import ValidationError

from devbench_core.contracts.provider import OpenContext, Remedy
from devbench_core.contracts.runtime import AgentProgram
from devbench_core.errors import (
    AgentUnavailable,
    Conflict,
    DevbenchError,
    EngineFailed,
    EngineUnreachable,
    ImageNotFound,
    NotEnforced,
    ValidationFailed,
)
from devbench_core.model.container import Status
from devbench_core.model.policy import Policy
from devbench_core.testing.living import Live, Requests
from devbench_runtime_bubblewrap.diagnosis import diagnose_bubblewrap
from devbench_runtime_bubblewrap.opening import open_bubblewrap
from devbench_runtime_bubblewrap.plugin import plugin
from devbench_runtime_bubblewrap.program import probe_program
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.settings import BubblewrapSettings, ReadOnlyMount


def script(path: Path, text: str) -> str:
    """Write a stand-in for a bwrap that we do not have here: an old or a broken one."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def test_a_writable_root_is_refused_by_name_and_leaves_nothing(
    runtime: BubblewrapRuntime, wanted: Requests, policy: Policy
):
    with pytest.raises(NotEnforced) as caught:
        await runtime.create(await wanted(policy=attrs.evolve(policy, read_only_root=False)))
    assert caught.value.details == {"clauses": ["read_only_root"]}
    assert list(runtime.folders.containers.iterdir()) == []
    assert list(runtime.folders.incoming.iterdir()) == []


async def test_the_same_id_twice_is_a_conflict_and_harms_nothing(
    runtime: BubblewrapRuntime, wanted: Requests
):
    request = await wanted()
    ref = await runtime.create(request)
    await runtime.start(ref)
    with pytest.raises(Conflict):
        await runtime.create(request)
    assert (await runtime.inspect(ref)).status is Status.RUNNING


async def test_an_image_that_vanished_is_not_found(runtime: BubblewrapRuntime, wanted: Requests):
    request = await wanted()
    gone = attrs.evolve(request.image, id="sha256:" + "0" * 64)
    with pytest.raises(ImageNotFound):
        await runtime.create(attrs.evolve(request, image=gone))


@pytest.mark.parametrize("env", [{"": "x"}, {"A=B": "x"}, {"A": "x\0y"}])
async def test_a_variable_that_cannot_be_passed_is_refused(
    runtime: BubblewrapRuntime, wanted: Requests, env: dict[str, str]
):
    with pytest.raises(ValidationFailed):
        await runtime.create(await wanted(env=env))


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", "x" * 101])
async def test_an_id_that_is_no_folder_s_name_is_refused(
    runtime: BubblewrapRuntime, wanted: Requests, name: str
):
    with pytest.raises(ValidationFailed):
        await runtime.create(attrs.evolve(await wanted(), container_id=name))


async def test_an_agent_that_is_not_the_meant_one_is_refused(
    runtime: BubblewrapRuntime, wanted: Requests, tmp_path: Path
):
    fake = tmp_path / "agent"
    fake.write_bytes(b"x")
    for agent in (
        AgentProgram(path=fake, digest="0" * 64),
        AgentProgram(path=fake, digest="../../etc"),
        AgentProgram(path=tmp_path / "absent", digest="0" * 64),
    ):
        with pytest.raises(AgentUnavailable):
            await runtime.create(attrs.evolve(await wanted(), agent=agent))


async def test_a_start_that_fails_says_what_bwrap_said(runtime: BubblewrapRuntime, wanted: Requests):
    request = attrs.evolve(await wanted(), working_dir=PurePosixPath("/nowhere"))
    ref = await runtime.create(request)
    with pytest.raises(AgentUnavailable, match="/nowhere"):
        await runtime.start(ref)
    assert (await runtime.inspect(ref)).status is not Status.RUNNING
    await runtime.remove(ref)


async def test_an_operator_s_mount_is_seen_read_only(
    settings: BubblewrapSettings, context: OpenContext, folder: Path, wanted: Requests
):
    shown = folder / "shown"
    shown.mkdir(mode=0o755)
    (shown / "file").write_text("hello")
    mount = ReadOnlyMount(source=shown, target=PurePosixPath("/opt/tools"))
    async with open_bubblewrap(settings.model_copy(update={"read_only_mounts": (mount,)}), context) as opened:
        async with Live(opened)(await wanted()) as container:
            assert (await container.run("/bin/cat", "/opt/tools/file")).text == "hello"
            assert (await container.run("/bin/sh", "-c", "echo x >> /opt/tools/file")).code != 0
        await opened.remove(container.ref)


@pytest.mark.parametrize(
    "bad",
    [{"source": "x", "target": "/y"}, {"source": "/x", "target": "/"}, {"source": "/a/../b", "target": "/y"}],
)
def test_a_mount_that_is_no_plain_path_is_refused(bad: dict[str, str]):
    with pytest.raises(ValidationError):
        BubblewrapSettings.model_validate({"read_only_mounts": [bad]})


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValidationError):
        BubblewrapSettings.model_validate({"programme": "bwrap"})


async def test_a_missing_program_comes_with_the_command_that_installs_it(context: OpenContext):
    settings = BubblewrapSettings(program="bwrap-that-is-not-there")
    diagnosis = await diagnose_bubblewrap(settings, context)
    assert not diagnosis.ok
    assert diagnosis.remedies == (Remedy(argv=("apt-get", "install", "-y", "bubblewrap")),)
    with pytest.raises(EngineUnreachable, match="not installed"):
        async with open_bubblewrap(settings, context):
            pass


async def test_a_program_that_is_too_old_is_refused(tmp_path: Path, context: OpenContext):
    old = script(tmp_path / "old", "echo bubblewrap 0.5.0")
    with pytest.raises(EngineFailed, match=r"0\.5\.0 is too old"):
        await probe_program(old, 10)
    assert not (await diagnose_bubblewrap(BubblewrapSettings(program=old), context)).ok


@pytest.mark.parametrize("text", ["echo hello", "exit 3", "exec sleep 300"])
async def test_a_program_that_is_no_bubblewrap_is_refused_in_time(tmp_path: Path, text: str):
    with pytest.raises(DevbenchError) as caught:
        await probe_program(script(tmp_path / "x", text), 0.5)
    assert caught.value.code == "engine_failed"


async def test_namespaces_that_are_forbidden_are_diagnosed(folder: Path, context: OpenContext):
    refuse = 'echo "No permissions to create new namespace" >&2; exit 1'
    program = script(
        folder / "forbidden",
        f'case "$1" in --version) echo bubblewrap 0.8.0;; --help) exec bwrap --help;; *) {refuse};; esac',
    )
    diagnosis = await diagnose_bubblewrap(BubblewrapSettings(program=program), context)
    assert not diagnosis.ok
    assert "bubblewrap 0.8.0" in diagnosis.summary
    assert "No permissions" in diagnosis.summary


@pytest.mark.skipif(os.geteuid() != 0, reason="root changes to another user, others do not")
async def test_a_program_that_the_containers_user_cannot_run_is_diagnosed(
    tmp_path: Path, context: OpenContext
):
    program = script(tmp_path / "closed", 'exec bwrap "$@"')
    diagnosis = await diagnose_bubblewrap(BubblewrapSettings(program=program), context)
    assert "cannot be run as user 65532: Permission denied" in diagnosis.summary


async def test_a_working_program_is_diagnosed_with_what_is_not_enforced(context: OpenContext):
    diagnosis = await diagnose_bubblewrap(BubblewrapSettings(cgroups=False), context)
    assert diagnosis.ok
    assert any("memory" in note for note in diagnosis.notes)
    assert any("quota" in note for note in diagnosis.notes)


@pytest.mark.skipif(os.geteuid() != 0, reason="root changes to another user, others do not")
async def test_as_root_a_folder_that_its_user_cannot_reach_is_refused(tmp_path: Path, context: OpenContext):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EngineFailed, match=r"cannot pass") as caught:
        async with open_bubblewrap(BubblewrapSettings(folder=closed / "in"), context):
            pass
    assert "plugin.bubblewrap.folder" in caught.value.hint


async def test_a_ping_names_the_version_and_the_facts(runtime: BubblewrapRuntime):
    info = await runtime.ping()
    assert (info.name, info.version) == ("bubblewrap", runtime.program.version_text)
    assert info.details["folder"] == str(runtime.folders.base)


def test_the_plugin_offers_one_runtime_and_importing_it_is_light():
    [provider] = plugin.devbench_runtimes()
    assert provider.name == "bubblewrap"
    code = "import sys, devbench_runtime_bubblewrap as p; print('devbench_runtime_bubblewrap.runtime' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "False\n"
