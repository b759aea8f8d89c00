"""Images from the command line: pulled with a bar that a person sees, imported from what lies on this machine."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from harness.registry import Registry, serving
from harness.terminal import DEADLINE_S, terminal

LAYER_BYTES = 3_000_000
IMPORT = ("--runtime", "bubblewrap", "images", "import")


@pytest.fixture
def registry() -> Generator[Registry]:
    with serving() as found:
        yield found


@pytest.mark.parametrize("each_cli", ["docker"], indirect=True)
def test_a_pull_draws_a_bar_on_a_terminal_and_prints_the_full_name(each_cli: Any, registry: Registry):
    registry.publish("tiny/seen", "1", os.urandom(LAYER_BYTES))
    name = f"{registry.host}/tiny/seen:1"
    with terminal(each_cli, "images", "pull", name) as screen:
        seen = screen.rest()
        assert screen.process.wait(DEADLINE_S) == 0, seen.decode()
    assert "━".encode() in seen
    assert b"3.0/3.0 MB" in seen
    assert name.encode() in seen
    assert name in each_cli.ok("images", "--contains", "tiny/seen")


@pytest.mark.parametrize("each_cli", ["docker"], indirect=True)
def test_a_pull_draws_nothing_where_nobody_looks(each_cli: Any, registry: Registry):
    registry.publish("tiny/piped", "1", os.urandom(LAYER_BYTES))
    name = f"{registry.host}/tiny/piped:1"
    done = each_cli.run("images", "pull", name)
    assert (done.returncode, done.stdout.decode().strip(), done.stderr) == (0, name, b"")
    again = each_cli.json("images", "pull", name)
    assert (again["name"], again["architecture"]) == (name, "amd64")


@pytest.mark.parametrize("each_cli", ["docker"], indirect=True)
def test_an_image_that_the_registry_has_not_is_named(each_cli: Any, registry: Registry):
    done = each_cli.run("images", "pull", f"{registry.host}/tiny/absent:1")
    assert done.returncode != 0
    assert f"{registry.host}/tiny/absent:1" in done.stderr.decode()


def unpacked(tar: Path, folder: Path) -> Path:
    with tarfile.open(tar) as archive:
        archive.extractall(folder, filter="tar")
    return folder


@pytest.mark.parametrize("form", ["tar", "folder"])
def test_an_imported_root_file_system_is_an_image_that_runs(
    cli: Any, rootfs_tar: Callable[[str], Path], tmp_path: Path, form: str
):
    tar = rootfs_tar("busybox")
    source = tar if form == "tar" else unpacked(tar, tmp_path / "root")
    assert cli.ok(*IMPORT, f"box-{form}", str(source)).strip() == f"box-{form}"
    listed = {image["name"]: image for image in cli.json("images")["images"]}
    assert listed[f"box-{form}"]["size_bytes"] > 0
    container = cli.ok("spawn", f"box-{form}").strip()
    told = cli.run("exec", container, "/bin/busybox")
    assert b"BusyBox" in told.stdout + told.stderr
    cli.ok("kill", container)


def test_an_import_tells_machines_what_it_made(cli: Any, rootfs_tar: Callable[[str], Path]):
    made = json.loads(cli.ok("--json", *IMPORT, "box-json", str(rootfs_tar("busybox"))))
    assert made["name"] == "box-json"
    assert made["size_bytes"] > 0


def test_what_is_no_root_file_system_is_refused_by_name(cli: Any, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("this is no archive")
    done = cli.run(*IMPORT, "notes", str(tmp_path / "notes.txt"))
    assert done.returncode != 0
    assert "notes.txt" in done.stderr.decode()
    assert "notes" not in {image["name"] for image in cli.json("images")["images"]}


@pytest.mark.parametrize("each_cli", ["docker"], indirect=True)
def test_an_import_where_the_engine_has_images_of_its_own_says_what_to_do(
    each_cli: Any, rootfs_tar: Callable[[str], Path]
):
    done = each_cli.run("images", "import", "box", str(rootfs_tar("busybox")))
    assert done.returncode != 0
    assert "docker import" in done.stderr.decode()
