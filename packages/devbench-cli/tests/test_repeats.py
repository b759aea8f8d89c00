"""Which calls to a host are repeated, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from devbench_cli.backends.patience import FIRST_WAIT_S, Outage, Patience
from devbench_cli.backends.repeats import BY_ID, KEY, KEYED, KEYED_BY_US, NOT_TWICE, TWICE, Asked
from devbench_core.errors import FileMissing, StoreFailed
from devbench_core.ids import CONTAINER, new_id
from devbench_core.tool import Tool
from devbench_core.tools.catalogue import TOOLS

CONDITION = {"if_match": "an etag"}


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_what_is_repeated_is_what_the_catalogue_calls_idempotent_but_for_what_is_named_here(tool: Tool):
    name = tool.name
    named = {
        **dict.fromkeys(KEYED_BY_US, True),
        **dict.fromkeys(NOT_TWICE, False),
        **dict.fromkeys(TWICE, True),
        **dict.fromkeys(BY_ID, False),
    }
    named |= {"fs_export": True}  # without a target
    assert Asked.of(name, {}).is_safe is named.get(name, tool.hints.idempotent)


def test_the_tools_that_take_a_key_are_known():
    assert {tool.name for tool in TOOLS if KEY in tool.input.model_fields} == KEYED


@pytest.mark.parametrize(
    ("tool", "arguments", "safe"),
    [
        ("fs_write", {"append": True}, False),
        ("fs_write", {"append": True, **CONDITION}, True),
        ("fs_edit", {}, False),
        ("fs_edit", CONDITION, True),
        ("fs_move", {}, False),
        ("fs_move", CONDITION, True),
        ("fs_export", {"target": "file"}, False),
        ("kill", {"container": "web"}, False),
        ("kill", {"container": new_id(CONTAINER)}, True),
        ("run", {}, False),
        ("run", {KEY: "mine"}, True),
        ("shell_open", {}, False),
        ("shell_run", {}, False),
        ("shell_input", {}, False),
        ("exec_input", {}, False),
        ("exec_signal", {}, False),
        ("what_a_plugin_offers", {}, False),
    ],
)
def test_what_might_be_done_twice_is_repeated_only_with_a_condition_or_a_key(
    tool: str, arguments: dict[str, object], safe: bool
):
    assert Asked.of(tool, arguments).is_safe is safe


def test_a_key_of_ours_is_new_for_each_call_and_never_replaces_the_users():
    first, second = Asked.of("exec_start", {"container": "c"}), Asked.of("exec_start", {"container": "c"})
    assert first.arguments[KEY] != second.arguments[KEY]
    assert first.answer({"replayed": True})["replayed"] is False
    given = Asked.of("exec_start", {KEY: "mine"})
    assert (given.arguments[KEY], given.key) == ("mine", None)
    assert given.answer({"replayed": True})["replayed"] is True


def test_an_error_of_a_repeat_leaves_open_what_the_first_one_did_where_it_may_have_done_it():
    missing = FileMissing("gone")
    assert Asked.of("fs_delete", {}).is_ambiguous(missing)
    assert not Asked.of("fs_read", {}).is_ambiguous(missing)
    assert not Asked.of("spawn", {}).is_ambiguous(missing)
    silent = StoreFailed("no answer")
    assert Asked.of("spawn", {}).is_ambiguous(silent)
    assert not Asked.of("fs_read", {}).is_ambiguous(silent)


async def test_pauses_grow_to_their_bound_and_end_with_the_number_or_the_time():
    loop = asyncio.get_running_loop()
    outage = Outage(Patience(retries=4, for_s=60.0, wait_s=2 * FIRST_WAIT_S), chance=lambda: 1.0)
    began_s = loop.time()
    assert [await outage.pause() for _ in range(5)] == [True] * 4 + [False]
    assert loop.time() - began_s >= 7 * FIRST_WAIT_S - 0.01  # 1 + 2 + 2 + 2
    hasty = Outage(Patience(for_s=1.5 * FIRST_WAIT_S), chance=lambda: 1.0)
    assert [await hasty.pause() for _ in range(2)] == [True, False]
