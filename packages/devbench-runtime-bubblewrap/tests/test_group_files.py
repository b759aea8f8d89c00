"""Finding hierarchies of control groups and what is written into them, for machines that we are not on."""

from pathlib import Path

import attrs
import pytest

from devbench_core.model.policy import MEBIBYTE, Clause, Policy
from devbench_runtime_bubblewrap.cgroups import limits
from devbench_runtime_bubblewrap.cgroups.groups import ControlGroups
from devbench_runtime_bubblewrap.cgroups.mounts import find_hierarchies
from devbench_runtime_bubblewrap.cgroups.places import Place

POLICY = Policy(memory_bytes=64 * MEBIBYTE, cpus=0.5, pids=32)


def mount(place: Path, kind: str, options: str = "rw", root: str = "/") -> str:
    return f"30 20 0:30 {root} {place} rw,nosuid - {kind} cgroup {options}\n"


def group(path: Path, *files: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name in files:
        (path / name).touch()
    return path


def test_version_2_takes_the_highest_group_that_is_ours(tmp_path: Path):
    top = group(tmp_path / "cgroup", "cgroup.procs")  # no subtree_control: not ours
    mine = group(top / "user.slice" / "mine", "cgroup.procs", "cgroup.subtree_control")
    group(mine / "app", "cgroup.procs", "cgroup.subtree_control")
    [found] = find_hierarchies(mount(top, "cgroup2"), "0::/user.slice/mine/app\n")
    assert (found.version, found.base, found.own) == (2, mine, mine / "app")


def test_hybrid_machines_have_both(tmp_path: Path):
    memory = group(tmp_path / "memory", "cgroup.procs")
    cpu = group(tmp_path / "cpu,cpuacct", "cgroup.procs")
    unified = group(tmp_path / "unified", "cgroup.procs", "cgroup.subtree_control")
    blkio = group(tmp_path / "blkio", "cgroup.procs")
    mounts = (
        mount(memory, "cgroup", "rw,memory")
        + mount(cpu, "cgroup", "rw,cpu,cpuacct")
        + mount(blkio, "cgroup", "rw,blkio")
        + mount(unified, "cgroup2")
    )
    found = find_hierarchies(mounts, "5:memory:/\n4:cpu,cpuacct:/\n3:blkio:/\n0::/\n")
    assert {(each.version, each.controllers) for each in found} == {
        (1, frozenset({"memory"})),
        (1, frozenset({"cpu", "cpuacct"})),
        (2, frozenset[str]()),
    }
    assert {each.base for each in found} == {memory, cpu, unified}


def test_a_group_outside_of_what_is_mounted_is_never_ours(tmp_path: Path):
    top = group(tmp_path / "cgroup", "cgroup.procs", "cgroup.subtree_control")
    [found] = find_hierarchies(mount(top, "cgroup2"), "0::/../../elsewhere\n")
    assert (found.base, found.own) == (None, None)


def test_a_mount_of_a_part_shows_our_group_at_its_place(tmp_path: Path):
    top = group(tmp_path / "cgroup")
    mine = group(top / "inner", "cgroup.procs")
    text = mount(top, "cgroup", "rw,pids", root="/docker/abc")
    [found] = find_hierarchies(text, "7:pids:/docker/abc/inner\n")
    assert found.base == mine


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        (
            1,
            {
                "memory.limit_in_bytes": str(64 * MEBIBYTE),
                "memory.memsw.limit_in_bytes": str(64 * MEBIBYTE),
                "cpu.cfs_period_us": "100000",
                "cpu.cfs_quota_us": "50000",
                "pids.max": "32",
            },
        ),
        (
            2,
            {
                "memory.max": str(64 * MEBIBYTE),
                "memory.swap.max": "0",
                "cpu.max": "50000 100000",
                "pids.max": "32",
            },
        ),
    ],
)
def test_each_limit_is_written_where_its_version_wants_it(
    tmp_path: Path, version: int, wanted: dict[str, str]
):
    place = Place(version=version, group=tmp_path, controllers=frozenset({"memory", "cpu", "pids"}))
    groups = ControlGroups((place,))
    group(tmp_path / "c_x", *limits.OPTIONAL)
    groups.make("c_x", POLICY)
    written = {path.name: path.read_text() for path in (tmp_path / "c_x").iterdir() if path.read_text()}
    assert written == wanted
    assert groups.enforced() == {Clause.MEMORY, Clause.CPU, Clause.PIDS}


def test_what_has_no_bound_is_not_written(tmp_path: Path):
    unbounded = attrs.evolve(POLICY, memory_bytes=None, cpus=None, pids=None)
    for version in (1, 2):
        for controller in ("memory", "cpu", "pids", "cpuacct"):
            assert list(limits.settings(version, controller, unbounded)) == []


def test_swap_is_left_alone_where_the_kernel_does_not_count_it(tmp_path: Path):
    limits.write(tmp_path, "memory.swap.max", "0")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("version", "file"), [(1, "memory.oom_control"), (2, "memory.events")])
def test_an_end_for_memory_is_read_from_the_kernel_s_counter(tmp_path: Path, version: int, file: str):
    groups = ControlGroups((Place(version=version, group=tmp_path, controllers=frozenset({"memory"})),))
    assert not groups.out_of_memory("c_x")
    (group(tmp_path / "c_x") / file).write_text("oom 3\noom_kill 0\n")
    assert not groups.out_of_memory("c_x")
    (tmp_path / "c_x" / file).write_text("oom 3\noom_kill 2\noom_group_kill 0\n")
    assert groups.out_of_memory("c_x")


def test_usage_of_version_2_is_read(tmp_path: Path):
    groups = ControlGroups(
        (Place(version=2, group=tmp_path, controllers=frozenset({"memory", "cpu", "pids"})),)
    )
    made = group(tmp_path / "c_x")
    (made / "memory.current").write_text("4096\n")
    (made / "pids.current").write_text("3\n")
    (made / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
    stats = groups.stats("c_x")
    assert (stats.memory_bytes, stats.pids, stats.cpu_s) == (4096, 3, 1.5)
