"""Folders and archives through the command line."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

from devbench_core.testing.kit.hostile_archives import member, tar


def plant(folder: Path) -> None:
    """A small project."""
    (folder / "src/deep").mkdir(parents=True)
    (folder / "src/deep/a.py").write_text("print()\n")
    (folder / "src/run").write_bytes(os.urandom(400_000))
    (folder / "src/run").chmod(0o755)
    (folder / "src/link").symlink_to("deep/a.py")
    (folder / "build").mkdir()
    (folder / "build/out.o").write_text("")
    (folder / ".gitignore").write_text("# built\nbuild/\n*.log\n")
    (folder / "x.log").write_text("")


def same(one: Path, two: Path) -> bool:
    """Compare two trees: names, kinds, modes, contents, links."""

    def seen(folder: Path) -> dict[str, tuple[int, bytes | str]]:
        return {
            str(path.relative_to(folder)): (
                path.lstat().st_mode,
                str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else "",
            )
            for path in folder.rglob("*")
        }

    return seen(one) == seen(two)


def test_a_folder_goes_in_and_comes_out_as_it_was(cli: Any, web: str, tmp_path: Path):
    plant(tmp_path / "project")
    cli.ok("cp", "-r", str(tmp_path / "project"), f"{web}:one/copy")
    cli.ok("cp", "-r", f"{web}:one/copy", str(tmp_path / "back"))
    assert same(tmp_path / "project", tmp_path / "back")
    cli.ok(
        "cp", "-r", str(tmp_path / "project"), f"{web}:one"
    )  # a folder that is there gets it under its name
    (tmp_path / "into").mkdir()
    cli.ok("cp", "-r", f"{web}:one/project", str(tmp_path / "into"))
    assert same(tmp_path / "project", tmp_path / "into/project")


def test_an_ignore_file_is_honoured_both_ways(cli: Any, web: str, tmp_path: Path):
    plant(tmp_path / "project")
    ignore = ["--ignore-file", str(tmp_path / "project/.gitignore")]
    copied = cli.json("cp", "-r", *ignore, "--ignore", "/src/link", str(tmp_path / "project"), f"{web}:two")
    assert copied["entries"] == 5
    cli.ok("cp", "-r", f"{web}:two", str(tmp_path / "back"))
    assert not (tmp_path / "back/build").exists()
    assert not (tmp_path / "back/src/link").is_symlink()
    cli.ok("cp", "-r", "--ignore", "deep/", f"{web}:two", str(tmp_path / "less"))
    assert not (tmp_path / "less/src/deep").exists()


def test_a_folder_that_is_there_is_not_mixed_with_another(cli: Any, web: str, tmp_path: Path):
    plant(tmp_path / "project")
    cli.ok("cp", "-r", str(tmp_path / "project"), f"{web}:three/src")
    (tmp_path / "into/src").mkdir(parents=True)
    (tmp_path / "into/src/mine").write_text("mine")
    done = cli.run("cp", "-r", f"{web}:three/src", str(tmp_path / "into"))
    assert done.returncode == 5
    assert sorted(path.name for path in (tmp_path / "into").iterdir()) == ["src"]
    assert (tmp_path / "into/src/mine").read_text() == "mine"


def test_files_and_folders_are_told_apart(cli: Any, web: str, tmp_path: Path):
    (tmp_path / "f").write_text("")
    cli.ok("cp", str(tmp_path / "f"), f"{web}:file")
    assert b"is no folder" in cli.run("cp", "-r", str(tmp_path / "f"), f"{web}:x").stderr
    assert b"is no folder" in cli.run("cp", "-r", f"{web}:file", str(tmp_path / "x")).stderr
    assert cli.run("cp", "-r", f"{web}:absent", str(tmp_path / "x")).returncode == 3
    assert not (tmp_path / "x").exists()


def test_archives_are_packed_and_unpacked(cli: Any, web: str, tmp_path: Path):
    plant(tmp_path / "project")
    cli.ok("cp", "-r", str(tmp_path / "project"), f"{web}:four")
    for name in ("a.tar", "a.tar.gz", "a.tar.zst", "a.zip"):
        cli.ok("export", "--ignore", "*.log", f"{web}:four", str(tmp_path / name))
        report = cli.json("import", str(tmp_path / name), f"{web}:unpacked/{name}")
        assert (report["files"], report["links"]) == (4, 1)
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_archives_go_through_standard_streams(cli: Any, web: str):
    data = tar(member("five/a", b"a"), member("five/b", b"b"))
    cli.ok("import", "--format", "tar", "-", web, stdin=data)
    out = cli.run("export", "--format", "tar", f"{web}:five", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(out)) as archive:
        assert archive.getnames() == ["a", "b"]


def test_a_hostile_archive_is_refused_by_its_code(cli: Any, web: str):
    done = cli.run("import", "--format", "tar", "-", f"{web}:six", stdin=tar(member("../x", b"")))
    assert done.returncode == 4
    assert b"error[archive_refused]" in done.stderr
    assert cli.run("ls", f"{web}:six").returncode == 3
    assert cli.run("import", "-", web).returncode == 2
    assert (
        cli.run(
            "import", "--no-overwrite", "--format", "tar", "-", web, stdin=tar(member("seven", b""))
        ).returncode
        == 0
    )
    assert (
        cli.run(
            "import", "--no-overwrite", "--format", "tar", "-", web, stdin=tar(member("seven", b""))
        ).returncode
        == 5
    )
