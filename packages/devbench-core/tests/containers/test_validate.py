"""What a spawn may ask for."""

from __future__ import annotations

import pytest

from devbench_core.config.load import from_values
from devbench_core.containers.policy import enforceable, resolve_policy
from devbench_core.containers.requests import PolicyRequest, SpawnRequest
from devbench_core.containers.validate import spec_of
from devbench_core.errors import NotEnforced, ValidationFailed
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.policy import Clause, Network

SETTINGS = from_values({})


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("alias", SpawnRequest(alias="")),
        ("alias", SpawnRequest(alias="-x")),
        ("alias", SpawnRequest(alias="x" * 64)),
        ("alias", SpawnRequest(alias="ä")),
        ("alias", SpawnRequest(alias="a\n")),
        ("labels", SpawnRequest(labels={"": "x"})),
        ("labels", SpawnRequest(labels={"dev.devbench.container": "x"})),
        ("labels", SpawnRequest(labels={"a": "x" * 256})),
        ("labels", SpawnRequest(labels={"a": "\n"})),
        ("labels", SpawnRequest(labels={f"k{n}": "" for n in range(65)})),
        ("env", SpawnRequest(env={"A=B": "x"})),
        ("env", SpawnRequest(env={"A": "\0"})),
        ("env", SpawnRequest(env={"A": "x" * 200_000})),
        ("ttl_s", SpawnRequest(ttl_s=0)),
        ("ttl_s", SpawnRequest(ttl_s=float("nan"))),
        ("ttl_s", SpawnRequest(ttl_s=float("inf"))),
        ("idle_timeout_s", SpawnRequest(idle_timeout_s=-1)),
        ("idempotency_key", SpawnRequest(idempotency_key="")),
        ("idempotency_key", SpawnRequest(idempotency_key="x" * 201)),
        ("policy.user", SpawnRequest(policy=PolicyRequest(user="root"))),
        ("policy.capabilities", SpawnRequest(policy=PolicyRequest(capabilities=("cap add",)))),
        ("policy.memory_bytes", SpawnRequest(policy=PolicyRequest(memory_bytes=1))),
        ("policy.memory_bytes", SpawnRequest(policy=PolicyRequest(memory_bytes=2**50))),
        ("policy.pids", SpawnRequest(policy=PolicyRequest(pids=1))),
        ("policy.cpus", SpawnRequest(policy=PolicyRequest(cpus=1000.0))),
        ("policy.exec_users", SpawnRequest(policy=PolicyRequest(exec_users=("daemon",)))),
        ("policy.exec_users", SpawnRequest(policy=PolicyRequest(exec_users=("5:",)))),
        ("policy.exec_users", SpawnRequest(policy=PolicyRequest(exec_users=("4294967295",)))),
        ("policy.exec_users", SpawnRequest(policy=PolicyRequest(exec_users=("5:6", "5:7")))),
        ("policy.exec_users", SpawnRequest(policy=PolicyRequest(user="5", exec_users=("5:6",)))),
        ("policy.exec_users", SpawnRequest(policy=PolicyRequest(exec_users=tuple(map(str, range(2, 11)))))),
    ],
)
def test_a_wrong_field_is_named(field: str, request_: SpawnRequest):
    with pytest.raises(ValidationFailed) as caught:
        spec_of(request_, SETTINGS)
    assert caught.value.details["field"] == field


@pytest.mark.parametrize(
    "wish",
    [
        PolicyRequest(read_only_root=False),
        PolicyRequest(capabilities=("NET_ADMIN",)),
        PolicyRequest(no_new_privileges=False),
        PolicyRequest(seccomp=False),
        PolicyRequest(network=Network.ENGINE),
        PolicyRequest(user="0"),
        PolicyRequest(exec_users=("5", "0:7")),
    ],
)
def test_a_caller_may_not_loosen_what_the_operator_did_not_allow(wish: PolicyRequest):
    with pytest.raises(ValidationFailed, match="does not allow"):
        resolve_policy(wish, SETTINGS.policy)


def test_a_caller_may_loosen_what_the_operator_allows():
    settings = from_values({"policy": {"callers_may_loosen": ["network_none"]}})
    assert resolve_policy(PolicyRequest(network=Network.ENGINE), settings.policy).network is Network.ENGINE


def test_a_caller_may_always_tighten():
    wanted = resolve_policy(PolicyRequest(memory_bytes=64 * 2**20, pids=16), SETTINGS.policy)
    assert wanted.pids == 16


def test_other_users_are_named_whole_and_fewer_of_them_is_tighter():
    settings = from_values({"policy": {"exec_users": ["5", "6:7"]}}).policy
    assert resolve_policy(PolicyRequest(), settings).exec_users == ("5:5", "6:7")
    assert resolve_policy(PolicyRequest(exec_users=("8",)), settings).exec_users == ("8:8",)
    assert resolve_policy(PolicyRequest(exec_users=()), settings).exec_users == ()


def test_other_users_where_they_are_tolerated_absent_are_taken_out():
    settings = from_values({"policy": {"exec_users": ["5"], "tolerate_absent": ["exec_users"]}}).policy
    able = Capabilities(enforces=frozenset(Clause) - {Clause.EXEC_USERS})
    assert enforceable(resolve_policy(PolicyRequest(), settings), able, settings, "toy").exec_users == ()


def test_what_the_runtime_cannot_enforce_is_refused_with_every_clause_named():
    able = Capabilities(
        enforces=frozenset(Clause) - {Clause.MEMORY, Clause.PIDS}, reasons={Clause.MEMORY: "no cgroup"}
    )
    with pytest.raises(NotEnforced) as caught:
        enforceable(SETTINGS.policy.default_policy(), able, SETTINGS.policy, "toy")
    assert caught.value.details["clauses"] == ["memory", "pids"]
    assert "no cgroup" in caught.value.message


def test_a_tolerated_clause_is_taken_out_so_that_the_record_tells_the_truth():
    settings = from_values({"policy": {"tolerate_absent": ["memory"]}}).policy
    able = Capabilities(enforces=frozenset(Clause) - {Clause.MEMORY})
    assert enforceable(settings.default_policy(), able, settings, "toy").memory_bytes is None


def test_the_operators_longest_life_is_the_default_and_the_bound():
    settings = from_values({"lifetimes": {"max_ttl_s": 60}})
    assert spec_of(SpawnRequest(), settings).ttl_s == 60
    with pytest.raises(ValidationFailed):
        spec_of(SpawnRequest(ttl_s=61), settings)
