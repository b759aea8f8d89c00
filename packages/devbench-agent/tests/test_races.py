"""Writers and movers that do not ask."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_process import StartAgent
from agent_wire import CONFLICT, CREATE_ONLY, DATA, EXISTS, IF_MATCH, NOT_FOUND, Channel, FileError
from root_lab import NO_ROOT, OPTIONS, start_with_roots


@pytest.fixture(params=["kernel", "by hand"])
def files(request: pytest.FixtureRequest, start_agent: StartAgent) -> Iterator[tuple[Channel, Path]]:
    agent = start_agent(*([] if request.param == "kernel" else ["--no-openat2", "--no-renameat2"]))
    with agent.host() as channel:
        yield channel, agent.workspace


Files = tuple[Channel, Path]


def test_of_fifty_conditional_writers_at_once_one_wins(files: Files):
    host, workspace = files
    etag = host.write("f", b"start")[1].etag
    for _ in range(10):
        requests = [host.write_begin("f", IF_MATCH, match=etag) for _ in range(50)]
        for i, request in enumerate(requests):
            host.send(DATA, request, b"writer %d" % i)
        outcomes: list[object] = []
        codes: set[int] = set()
        for request in requests:
            host.send(0x38, request)
        for request in requests:
            try:
                outcomes.append(host.written(request)[1].etag)
            except FileError as error:
                codes.add(error.code)
                outcomes.append(None)
        assert codes == {CONFLICT}
        winners = [i for i, outcome in enumerate(outcomes) if outcome]
        assert len(winners) == 1
        assert (workspace / "f").read_bytes() == b"writer %d" % winners[0]
        etag = str(outcomes[winners[0]])
    assert [path.name for path in workspace.iterdir()] == ["f"]


def test_of_fifty_creators_at_once_one_wins(files: Files):
    host, _ = files
    requests = [host.write_begin("f", CREATE_ONLY) for _ in range(50)]
    for request in requests:
        host.send(DATA, request, b"x")
        host.send(0x38, request)
    codes: list[int] = []
    for request in requests:
        try:
            host.written(request)
        except FileError as error:
            codes.append(error.code)
    assert codes == [EXISTS] * 49


def test_no_foreign_replacement_is_lost_to_a_conditional_write(start_agent: StartAgent):
    # A foreign writer replaces the file by renaming, over and over, each version numbered. Whatever a successful
    # conditional write replaced must be the very version whose etag it named.
    agent = start_agent()
    script = (
        "import os,sys\nn=0\nwhile True:\n n+=1\n open('t','w').write('foreign %d'%n); os.rename('t','f')\n"
    )
    with agent.host() as host:
        host.write("f", b"start")
        foreign = subprocess.Popen([sys.executable, "-c", script], cwd=agent.workspace)
        codes: set[int] = set()
        try:
            until = time.monotonic() + 3
            while time.monotonic() < until:
                try:
                    meta = host.read("f")[0]
                    host.write("f", b"mine", IF_MATCH, match=meta.etag)
                except FileError as error:
                    codes.add(error.code)
        finally:
            foreign.kill()
            foreign.wait()
        assert CONFLICT in codes
        assert codes <= {CONFLICT, NOT_FOUND}
        names = {path.name for path in agent.workspace.iterdir()}
        assert names <= {"f", "t"}


def test_a_reader_never_sees_half_a_file(files: Files):
    host, workspace = files
    host.write("f", b"a" * 300_000)
    stop = threading.Event()
    seen: set[tuple[int, int]] = set()

    def watch() -> None:
        while not stop.is_set():
            data = (workspace / "f").read_bytes()
            seen.add((len(data), len(set(data))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for i in range(100):
            host.write("f", bytes([97 + i % 26]) * 300_000)
    finally:
        stop.set()
        watcher.join()
    assert seen == {(300_000, 1)}


SWAPPER = """
import os, sys
os.chdir(sys.argv[1])
while True:
    for target in ("../outside", "real", "../../..", "real"):
        try:
            os.symlink(target, "new"); os.rename("new", "swap")
        except OSError:
            pass
    try:
        os.unlink("swap"); os.mkdir("swap"); os.rmdir("swap")
    except OSError:
        pass
    os.rename("real", "moved"); os.rename("moved", "real")
"""


def test_a_racing_swapper_never_leads_outside(files: Files):
    host, workspace = files
    outside = workspace.parent / "outside"
    outside.mkdir()
    (outside / "f").write_text("secret")
    (workspace / "real").mkdir()
    (workspace / "real/f").write_text("inside")
    swapper = subprocess.Popen([sys.executable, "-c", SWAPPER, str(workspace)])
    reached = 0
    try:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            for use in (
                lambda: host.read("swap/f")[1],
                lambda: host.read("swap/../real/f")[1],
                lambda: host.write("swap/f", b"inside") and b"inside",
                lambda: (
                    host.write("swap/f", b"inside", IF_MATCH, match=host.stat("swap/f").etag) and b"inside"
                ),
            ):
                try:
                    assert use() == b"inside"
                    reached += 1
                except FileError:
                    pass
            with contextlib.suppress(FileError):
                host.delete("swap/nothing")
    finally:
        swapper.kill()
        swapper.wait()
    assert reached > 0
    assert (outside / "f").read_text() == "secret"
    assert [path.name for path in outside.iterdir()] == ["f"]


def test_a_racing_swapper_never_makes_a_recursive_delete_leave_the_tree(files: Files):
    host, workspace = files
    outside = workspace.parent / "outside"
    (outside / "sub").mkdir(parents=True)
    for i in range(50):
        (outside / "sub" / str(i)).write_text("keep")
    script = (
        "import os,sys\nos.chdir(sys.argv[1])\n"
        "while True:\n"
        " for base,_,_ in os.walk('.'):\n"
        "  try: os.rename(base+'/d', base+'/e'); os.symlink(sys.argv[2], base+'/d')\n"
        "  except OSError: pass\n"
    )
    swapper = subprocess.Popen([sys.executable, "-c", script, str(workspace), str(outside)])
    try:
        for round_number in range(20):
            try:
                (workspace / f"t{round_number}/d/d/d").mkdir(parents=True)
                host.delete(f"t{round_number}", recursive=True)
            except (FileError, OSError):
                pass
    finally:
        swapper.kill()
        swapper.wait()
    assert len(list((outside / "sub").iterdir())) == 50


@pytest.mark.parametrize("way", list(OPTIONS))
def test_a_racing_swapper_never_leads_from_root_to_root(start_agent: StartAgent, tmp_path: Path, way: str):
    second, outside = tmp_path / "second", tmp_path / "outside"
    for folder in (second, outside, tmp_path / "workspace"):
        (folder / "real").mkdir(parents=True)
        (folder / "real/f").write_text("inside" if folder == second else "secret")
        (folder / "f").write_text("secret")
    agent = start_with_roots(start_agent, way, second)
    script = SWAPPER.replace('"../../.."', '"../workspace"')
    swapper = subprocess.Popen([sys.executable, "-c", script, str(second)])
    reached = 0
    try:
        until = time.monotonic() + 3
        with agent.host() as host:
            while time.monotonic() < until:
                for path in ("swap/f", "swap/../real/f", "swap/../swap/f"):
                    with contextlib.suppress(FileError):
                        assert host.read(f"{second}/{path}")[1] == b"inside"
                        reached += 1
                    with contextlib.suppress(FileError):
                        host.write(f"{second}/{path}", b"inside")
                        reached += 1
    finally:
        swapper.kill()
        swapper.wait()
    assert reached > 0
    for folder in (outside, agent.workspace):
        assert {path.read_text() for path in folder.rglob("f")} == {"secret"}


ROOT_SWAPPER = """
import os, sys
os.chdir(sys.argv[1])
while True:
    os.rename("root", "aside"); os.symlink("outside", "root")
    os.unlink("root"); os.rename("aside", "root")
"""


@pytest.mark.parametrize("way", list(OPTIONS))
def test_a_root_that_is_swapped_for_a_link_is_never_followed(
    start_agent: StartAgent, tmp_path: Path, way: str
):
    for name, content in (("root", "inside"), ("outside", "secret")):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep/f").write_text(content)
    root = tmp_path / "root/deep"
    agent = start_with_roots(start_agent, way, root)
    swapper = subprocess.Popen([sys.executable, "-c", ROOT_SWAPPER, str(tmp_path)])
    codes: set[int] = set()
    reached = 0
    try:
        until = time.monotonic() + 3
        with agent.host() as host:
            while time.monotonic() < until:
                try:
                    assert host.read(f"{root}/f")[1] == b"inside"
                    host.write(f"{root}/f", b"inside")
                    reached += 1
                except FileError as error:
                    codes.add(error.code)
    finally:
        swapper.kill()
        swapper.wait()
    assert reached > 0
    assert codes == {NO_ROOT}
    assert (tmp_path / "outside/deep/f").read_text() == "secret"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_links_are_not_too_many_because_something_is_mounted_elsewhere(files: Files):
    host, workspace = files
    (workspace / "f").write_bytes(b"x")
    for number in range(39):
        (workspace / f"l{number}").symlink_to(f"l{number - 1}" if number else "f")
    storm = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", "while :; do mount -t tmpfs none /mnt; umount /mnt; done"]
    )
    try:
        for _ in range(3000):
            assert host.read("l38")[1] == b"x"
        assert storm.poll() is None
    finally:
        storm.kill()
        storm.wait()
