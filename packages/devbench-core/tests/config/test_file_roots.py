"""Which folders an operator can open to the files API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from devbench_core.config.load import from_values, load_settings
from devbench_core.config.policy import PolicySettings
from devbench_core.containers import PolicyRequest
from devbench_core.containers.policy import resolve_policy
from devbench_core.errors import ConfigurationInvalid


def fault_of(roots: Sequence[str]) -> str:
    with pytest.raises(ConfigurationInvalid) as caught:
        from_values({"policy": {"file_roots": list(roots)}})
    (fault,) = cast("list[str]", caught.value.details["faults"])
    return fault


def test_there_are_none_but_the_workspace_by_default():
    assert PolicySettings().default_policy().file_roots == ()


@pytest.mark.parametrize(
    "roots", [["/tmp"], ["/tmp", "/srv/data"], ["/tmp", "/tmpfiles", "/.cache"], ["/café"]]
)
def test_the_operators_roots_are_every_containers(roots: list[str], tmp_path: Path):
    path = tmp_path / "devbench.toml"
    path.write_text(f"[policy]\nfile_roots = {roots!r}\n", encoding="utf-8")
    settings = load_settings(path, environ={}).settings.policy
    assert resolve_policy(PolicyRequest(pids=100), settings).file_roots == tuple(roots)


def test_a_caller_cannot_name_roots():
    assert not hasattr(PolicyRequest(), "file_roots")


@pytest.mark.parametrize(
    ("root", "problem"),
    [
        ("", "must be absolute"),
        ("data", "must be absolute"),
        ("../data", "must be absolute"),
        ("~/data", "must be absolute"),
        ("/", "is the whole container"),
        ("//", "is the whole container"),
        ("/srv/", "double and final slashes"),
        ("/srv//data", "double and final slashes"),
        ("//srv", "double and final slashes"),
        ("/srv/./data", "'.', '..'"),
        ("/srv/../etc", "'.', '..'"),
        ("/srv/a\nb", "cannot be shown"),
        ("/srv/a\0b", "cannot be shown"),
        ("/srv/caf\udce9", "cannot be shown"),
        ("/" + "n" * 256, "over 255 bytes"),
        ("/" + "é" * 128, "over 255 bytes"),
        ("/nnn" * 300, "over 1024 bytes"),
        ("/srv/.devbench-tmp-x", "agent's temporary files"),
        ("/workspace", "is a root already"),
        ("/workspace/src", "is a root already"),
        ("/.devbench", "devbench's own"),
        ("/.devbench-run", "devbench's own"),
        ("/.devbench-guests/1", "devbench's own"),
        ("/proc", "the kernel's"),
        ("/proc/self/root", "the kernel's"),
        ("/sys/fs", "the kernel's"),
        ("/dev/shm", "the kernel's"),
    ],
)
def test_a_root_that_is_senseless_or_harmful_is_refused(root: str, problem: str):
    fault = fault_of(["/tmp", root])
    assert fault.startswith("setting 'policy.file_roots'")
    assert "number 2" in fault
    assert problem in fault


@pytest.mark.parametrize(
    ("roots", "problem"),
    [
        (["/a", "/b", "/a"], "number 3 repeats number 1"),
        (["/a", "/a/b"], "numbers 1 and 2 lie in each other"),
        (["/b", "/a/b/c", "/a"], "numbers 2 and 3 lie in each other"),
    ],
)
def test_roots_that_are_the_same_or_in_each_other_are_refused(roots: list[str], problem: str):
    assert problem in fault_of(roots)


def test_more_roots_than_an_agent_takes_are_refused_with_the_limit():
    assert "at most 8 items" in fault_of([f"/data/{n}" for n in range(9)])
