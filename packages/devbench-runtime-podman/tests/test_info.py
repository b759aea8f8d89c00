"""What a service says that it can enforce, and what is refused by name where it cannot."""

from typing import Any

import pytest

from devbench_core.errors import EngineFailed
from devbench_core.model.policy import Clause
from devbench_runtime_podman.info import capabilities_of, engine_info, highest_id, notes_of


def told(**host: Any) -> dict[str, Any]:
    security = {"rootless": False, "seccompEnabled": True, **host.pop("security", {})}
    return {
        "host": {
            "os": "linux",
            "arch": "amd64",
            "cgroupVersion": "v2",
            "cgroupControllers": ["cpu", "memory", "pids"],
            "ociRuntime": {"name": "runc"},
            "security": security,
            **host,
        },
        "store": {"graphDriverName": "overlay"},
    }


def test_everything_is_enforced_where_everything_is_there():
    found = capabilities_of(told())
    assert found.enforces == frozenset(Clause)
    assert found.reasons == {}
    assert found.architectures == ("amd64",)


def test_limits_without_delegated_controllers_are_refused_by_name():
    found = capabilities_of(told(cgroupControllers=["pids"], security={"rootless": True}))
    assert set(found.reasons) == {Clause.MEMORY, Clause.CPU}
    assert (
        "rootless Podman without delegated control groups cannot limit memory" in found.reasons[Clause.MEMORY]
    )
    assert "Delegate=yes" in found.reasons[Clause.CPU]


def test_a_kernel_without_a_controller_is_named():
    found = capabilities_of(told(cgroupControllers=["cpu", "memory"]))
    assert "this kernel's control groups cannot limit the number of processes" in found.reasons[Clause.PIDS]


def test_without_a_filter_the_clause_is_refused():
    assert Clause.SECCOMP in capabilities_of(told(security={"seccompEnabled": False})).reasons


def test_other_systems_are_refused():
    with pytest.raises(EngineFailed, match="windows"):
        capabilities_of(told(os="windows"))


def test_the_highest_id_is_that_of_the_smaller_mapping():
    assert highest_id(told()) is None
    maps = {
        "uidmap": [
            {"container_id": 0, "host_id": 1, "size": 1},
            {"container_id": 1, "host_id": 9, "size": 65536},
        ],
        "gidmap": [{"container_id": 0, "host_id": 1, "size": 1000}],
    }
    assert highest_id(told(idMappings=maps)) == 999


def test_traps_are_notes():
    assert notes_of(told()) == ()
    crun = told(ociRuntime={"name": "crun"}, cgroupVersion="v1")
    assert any('runtime = "runc"' in note for note in notes_of(crun))
    slow = told(security={"rootless": True})
    slow["store"]["graphDriverName"] = "vfs"
    assert any("fuse-overlayfs" in note for note in notes_of(slow))


def test_the_facts_for_the_doctor_are_in_the_ping():
    found = engine_info("4.3.1", told())
    assert (found.name, found.version) == ("Podman", "4.3.1")
    assert found.details["rootless"] == "no"
    assert found.details["storage driver"] == "overlay"
