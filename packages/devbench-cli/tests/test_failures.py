from __future__ import annotations

import inspect
import json

import pytest

from devbench_cli.failures import EXIT_CODES, error_text, exit_code_of, only_cause, print_error
from devbench_core import errors
from devbench_core.errors import ContainerNotFound, DevbenchError, EngineFailed, EngineUnreachable

BY_DESIGN_ONE = {
    "internal",
    "engine_failed",
    "store_failed",
    "lock_failed",
    "container_exited",
    "file_failed",
    "invalid_text",
}
CLASSES = [
    found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, DevbenchError)
]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.code)
def test_every_error_code_has_an_exit_code_on_purpose(error: type[DevbenchError]):
    assert (error.code in EXIT_CODES) != (error.code in BY_DESIGN_ONE)


def test_exit_codes_tell_the_kinds_of_failure_apart():
    assert exit_code_of(ContainerNotFound("no container 'web'")) == 3
    assert exit_code_of(EngineUnreachable("silent")) == 69
    assert exit_code_of(EngineFailed("broken")) == 1


def test_an_error_is_one_block_with_code_message_and_hint():
    text = error_text(ContainerNotFound("no container 'web'", hint="see devbench ps"))
    assert text == "error[container_not_found]: no container 'web'\nhint: see devbench ps\n"


def test_an_error_without_a_hint_is_one_line():
    assert error_text(EngineFailed("broken")) == "error[engine_failed]: broken\n"


def test_machines_get_an_error_as_one_json_document(capsys: pytest.CaptureFixture[str]):
    print_error(EngineUnreachable("silent", hint="start it", details={"host": "here"}), as_json=True)
    written = capsys.readouterr()
    assert written.out == ""
    assert json.loads(written.err)["error"] == {
        "code": "engine_unreachable",
        "message": "silent",
        "hint": "start it",
        "retry": True,
        "details": {"host": "here"},
    }


def test_a_group_of_one_is_unwrapped_and_a_group_of_two_is_not():
    first, second = ValueError("one"), ValueError("two")
    assert only_cause(BaseExceptionGroup("outer", [BaseExceptionGroup("inner", [first])])) is first
    both = BaseExceptionGroup("both", [first, second])
    assert only_cause(both) is both
