"""Files through the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def test_a_file_goes_in_and_comes_out_byte_for_byte_with_its_mode(cli: Any, web: str, tmp_path: Path):
    data = os.urandom(1_500_000)
    source, target = tmp_path / "data.bin", tmp_path / "back.bin"
    source.write_bytes(data)
    source.chmod(0o750)
    cli.ok("cp", str(source), f"{web}:in/")
    cli.ok("cp", f"{web}:in/data.bin", str(target))
    assert target.read_bytes() == data
    assert target.stat().st_mode & 0o777 == 0o750


def test_a_folder_as_target_keeps_the_files_name(cli: Any, web: str, tmp_path: Path):
    (tmp_path / "a.txt").write_text("A")
    (tmp_path / "out").mkdir()
    cli.ok("exec", web, "mkdir", "-p", "deep")
    cli.ok("cp", str(tmp_path / "a.txt"), f"{web}:deep")
    cli.ok("cp", f"{web}:deep/a.txt", str(tmp_path / "out"))
    assert (tmp_path / "out" / "a.txt").read_text() == "A"


def test_standard_streams_stand_for_files(cli: Any, web: str):
    data = bytes(range(256)) * 10
    cli.ok("cp", "-", f"{web}:bytes", stdin=data)
    cli.ok("cp", "-", f"{web}:empty", stdin=b"")
    assert cli.run("cp", f"{web}:bytes", "-").stdout == data
    assert cli.run("cat", f"{web}:bytes", f"{web}:empty", f"{web}:bytes").stdout == data + data


def test_a_copy_that_fails_leaves_nothing_behind(cli: Any, web: str, tmp_path: Path):
    done = cli.run("cp", f"{web}:absent", str(tmp_path / "absent"))
    assert done.returncode == 3
    assert done.stderr.startswith(b"error[file_not_found]")
    assert list(tmp_path.iterdir()) == []


def test_a_link_of_this_machine_is_followed_not_replaced(cli: Any, web: str, tmp_path: Path):
    cli.ok("cp", "-", f"{web}:linked", stdin=b"new")
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    cli.ok("cp", f"{web}:linked", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_folders_and_missing_sources_are_refused_by_name(cli: Any, web: str, tmp_path: Path):
    assert b"is a folder" in cli.run("cp", str(tmp_path), f"{web}:x").stderr
    assert b"nowhere.txt" in cli.run("cp", str(tmp_path / "nowhere.txt"), f"{web}:x").stderr
    done = cli.run("cp", "a", "b")
    assert done.returncode == 2
    assert b"exactly one of them" in done.stderr


def test_a_listing_shows_folders_links_and_files(cli: Any, web: str):
    cli.ok("exec", web, "sh", "-c", "mkdir -p list/sub; echo hi > list/file; ln -s file list/link")
    rows = cli.ok("ls", f"{web}:list").splitlines()[1:]
    shown = {row.split()[4]: row for row in rows}
    assert shown["file"].startswith("-0")
    assert shown["sub/"].startswith("d0")
    assert shown["link"].endswith("link -> file")
    assert cli.ok("ls", f"{web}:list/file").splitlines()[1].split()[1] == "3"


def test_a_large_folder_is_listed_whole(cli: Any, web: str):
    cli.ok(
        "exec",
        web,
        "sh",
        "-c",
        "mkdir many; cd many; i=0; while [ $i -lt 620 ]; do : > f$i; i=$((i+1)); done",
    )
    assert len(json.loads(cli.ok("ls", f"{web}:many", "--json"))["entries"]) == 620


def test_rm_deletes_files_at_once_and_folders_only_when_asked(cli: Any, web: str):
    cli.ok("exec", web, "sh", "-c", "mkdir -p gone/deep; : > gone/deep/f; : > lone")
    assert cli.run("rm", f"{web}:lone", f"{web}:gone").returncode == 1
    cli.ok("rm", "-r", f"{web}:gone")
    assert cli.run("rm", f"{web}:gone").returncode == 3
    cli.ok("rm", "-f", f"{web}:gone", f"{web}:lone")


def test_a_path_outside_of_the_workspace_is_refused(cli: Any, web: str):
    done = cli.run("cat", f"{web}:../etc/passwd")
    assert done.returncode == 4
    assert done.stderr.startswith(b"error[path_outside_workspace]")


def test_cat_for_machines_has_content_and_etag(cli: Any, web: str):
    cli.ok("cp", "-", f"{web}:etagged", stdin=b"hello")
    found = json.loads(cli.ok("cat", "--json", f"{web}:etagged"))
    assert found["base64"] == "aGVsbG8="
    assert found["file"]["etag"]
