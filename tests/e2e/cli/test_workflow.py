"""A whole working day through the command line, on every runtime, and the demo."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

DEMO_MAX_S = 60.0


def test_a_container_is_made_used_and_ended_by_separate_commands(each_cli: Any, tmp_path: Path):
    cli = each_cli
    container = cli.ok("spawn", "--alias", "job", "--label", "team=green").strip()
    (tmp_path / "count.sh").write_text("wc -l\n")
    cli.ok("cp", str(tmp_path / "count.sh"), "job:bin/count.sh")
    counted = cli.run("exec", "job", "sh", "bin/count.sh", stdin=b"one\ntwo\n")
    assert counted.stdout.decode().strip() == "2"
    assert cli.run("exec", "job", "--", "sh", "-c", "echo kept > kept.txt; exit 9").returncode == 9
    assert cli.ok("cat", "job:kept.txt") == "kept\n"
    assert cli.ok("ls", "job").split()[-1] == "kept.txt"
    assert [found["id"] for found in cli.json("ps", "--label", "team=green")["containers"]] == [container]
    assert cli.json("inspect", "job")["container"]["runtime"] == cli.runtime
    assert cli.ok("kill", "job") == f"{container} killed\n"
    record = cli.json("inspect", container)["container"]
    assert (record["status"], record["ending"]["reason"]) == ("gone", "killed")


def test_images_are_listed_and_the_doctor_is_content(each_cli: Any):
    names = [image["name"] for image in each_cli.json("images")["images"]]
    assert any("host" in name or "busybox" in name for name in names)
    found = each_cli.json("doctor")
    assert (found["ok"], found["runtime"]) == (True, each_cli.runtime)
    checks = {check["name"]: check for check in found["checks"]}
    assert checks[f"runtime {each_cli.runtime}"]["ok"] is True
    assert checks["agent"]["ok"] is True


def test_the_demo_shows_and_checks_the_whole_job_in_a_minute(each_cli: Any):
    began = time.monotonic()
    shown = each_cli.ok("demo", "--runtime", each_cli.runtime)
    assert time.monotonic() - began < DEMO_MAX_S
    for tool in ("spawn(", "fs_write(", "exec_start(", "exec_poll(", "fs_read(", "kill(", "if_match="):
        assert f"an agent calls  {tool}" in shown or tool in shown
    for claim in ("it exits with 1", "it exits with 0", "file_conflict", "killed", "nothing of it is left"):
        assert f"checked: {claim}" in shown or claim in shown
    assert "FAIL  two lines have five words" in shown
    assert each_cli.living() == []


def test_the_demo_tells_machines_each_call(each_cli: Any):
    documents = [
        json.loads(line) for line in each_cli.ok("demo", "--json", "--runtime", each_cli.runtime).splitlines()
    ]
    tools = [document["tool"] for document in documents if "tool" in document]
    assert tools[:3] == ["status", "spawn", "fs_write"]
    assert tools[-2:] == ["kill", "list_containers"]


def test_the_demo_fails_when_a_step_does_not_do_what_it_says(cli: Any):
    done = cli.run("demo", "--quiet", "--image", "no-such-image:none")
    assert done.returncode == 3
    assert done.stderr.startswith(b"error[image_not_found]")


def test_the_demo_on_its_own_runtime_ignores_an_image_for_another(cli: Any):
    done = cli.run("demo", env={"DEVBENCH_RUNTIME": "docker", "DEVBENCH_IMAGES__DEFAULT": "python:3.12"})
    assert done.returncode == 0, done.stderr
