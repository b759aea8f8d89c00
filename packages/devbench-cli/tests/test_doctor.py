from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from devbench_cli.doctor.mending import command_line, mend, plan
from devbench_core.contracts.provider import Remedy

Devbench = Callable[..., "subprocess.CompletedProcess[str]"]
NO_ENGINE = {"PATH": str(Path(sys.executable).parent), "DOCKER_HOST": "unix:///nowhere/docker.sock"}
INSTALL = Remedy(argv=("apt-get", "install", "-y", "bubblewrap"))


def test_what_is_missing_is_named_with_the_command_that_mends_it(devbench: Devbench):
    done = devbench("doctor", env=NO_ENGINE)
    assert done.returncode == 1
    assert "FAIL runtime bubblewrap" in done.stdout
    assert "apt-get install -y bubblewrap" in done.stdout
    assert "no runtime answers" in done.stdout
    assert "`devbench doctor --fix`" in done.stdout


def test_machines_get_the_remedies_as_argument_lists(devbench: Devbench):
    found = json.loads(devbench("doctor", "--json", env=NO_ENGINE).stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert (found["ok"], found["runtime"]) == (False, None)
    assert checks["runtime bubblewrap"]["remedies"][0]["argv"][:2] == ["apt-get", "install"]
    assert checks["runtime docker"]["needed"] is False


def test_fix_runs_the_commands_and_looks_again(devbench: Devbench, tmp_path: Path):
    """The package manager is a stand-in that lays the real program into the search path."""
    tools = tmp_path / "tools"
    tools.mkdir()
    script = f'#!/bin/sh\n[ "$1" = update ] || /bin/ln -s /usr/bin/bwrap {tools}/bwrap\n'
    for name in ("apt-get", "sudo"):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    (tools / "env").symlink_to("/usr/bin/env")
    path = f"{tools}:{NO_ENGINE['PATH']}"
    done = devbench("doctor", "--fix", env={**NO_ENGINE, "PATH": path})
    assert "apt-get update" in done.stderr
    assert done.stdout.count("runtime bubblewrap") == 2
    assert "ok   runtime bubblewrap" in done.stdout, done.stdout


def test_fix_without_rights_says_what_to_run(
    devbench: Devbench, as_ordinary_user: Callable[[Sequence[str]], list[str]]
):
    prefix = as_ordinary_user(["env", "-C", "/", "HOME=/tmp", f"PATH={NO_ENGINE['PATH']}"])
    own = {
        "DEVBENCH_STATE_DIR": f"/tmp/devbench-doctor-{os.getpid()}",
        "DOCKER_HOST": NO_ENGINE["DOCKER_HOST"],
    }
    done = devbench("doctor", "--fix", env=own, prefix=prefix)
    assert done.returncode == 1
    assert "run it yourself: sudo apt-get" in done.stderr


def test_a_broken_configuration_is_one_finding_among_others(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text("nonsense = 1\n")
    done = devbench("doctor", env=NO_ENGINE)
    assert "FAIL configuration" in done.stdout
    assert "ok   agent" in done.stdout


def test_a_lock_that_does_not_answer_is_one_finding_among_others(devbench: Devbench, tmp_path: Path):
    (tmp_path / "devbench.toml").write_text(
        f'lock = "redis"\n[plugin.redis]\nurl = "unix://{tmp_path}/redis.sock"\n'
    )
    done = devbench("doctor", env=NO_ENGINE)
    assert "FAIL lock" in done.stdout
    assert f"redis: Redis at {tmp_path}/redis.sock cannot be reached" in done.stdout
    (tmp_path / "devbench.toml").write_text('lock = "redis"\n[plugin.redis]\npoll_s = 0\n')
    assert "setting 'plugin.redis.poll_s'" in devbench("doctor", env=NO_ENGINE).stdout
    (tmp_path / "devbench.toml").write_text('lock = "nowhere"\n')
    assert "'nowhere' is not installed" in devbench("doctor", env=NO_ENGINE).stdout


def test_package_lists_are_fetched_before_the_first_package_and_nothing_runs_twice():
    start = Remedy(argv=("service", "docker", "start"))
    planned = plan([start, INSTALL, INSTALL])
    assert [remedy.argv[:2] for remedy in planned] == [
        ("service", "docker"),
        ("apt-get", "update"),
        ("apt-get", "install"),
    ]


def test_packages_are_installed_without_questions_and_through_sudo_without_a_password():
    bare = Remedy(argv=("apt-get", "install", "bubblewrap"))
    assert shlex.join(command_line(bare, as_root=False)) == (
        "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install bubblewrap -y"
    )
    mine = Remedy(argv=("uv", "sync"), needs_root=False)
    assert command_line(mine, as_root=False) == ["uv", "sync"]


async def test_mending_stops_at_the_first_command_that_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    never = tmp_path / "never"
    remedies = [
        Remedy(argv=("false",), needs_root=False),
        Remedy(argv=("touch", str(never)), needs_root=False),
    ]
    assert await mend(remedies) is False
    assert not never.exists()
    assert "run it yourself: false" in capfd.readouterr().err


async def test_mending_runs_all_commands_in_order(tmp_path: Path):
    made = tmp_path / "made"
    remedies = [
        Remedy(argv=("mkdir", str(made)), needs_root=False),
        Remedy(argv=("touch", str(made / "file")), needs_root=False),
    ]
    assert await mend(remedies) is True
    assert (made / "file").exists()
