"""The filter's program, judged by a machine of our own: so both architectures are seen."""

import errno
import operator
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbench_runtime_bubblewrap.seccomp import bpf, supports
from devbench_runtime_bubblewrap.seccomp.calls import CLONE3, MACHINES, NEWEST_KNOWN
from devbench_runtime_bubblewrap.seccomp.rules import ALLOW, ERRNO, NEW_NAMESPACES, build

WORDS = 2**32
NAMES = sorted(MACHINES)
TESTS: dict[int, Callable[[int, int], object]] = {
    bpf.JUMP_EQUAL: operator.eq,
    bpf.JUMP_GREATER: operator.gt,
    bpf.JUMP_ANY_BIT: int.__and__,
}
PROGRAMS = {name: build(name) for name in NAMES}


def judge(program: bytes, number: int, arch: int, *arguments: int) -> int:
    """Run a filter on one call, as the kernel would."""
    padded = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number % WORDS, arch, 0, *padded)
    steps = list(bpf.INSTRUCTION.iter_unpack(program))
    place = accumulator = 0
    while True:
        code, yes, no, value = steps[place]
        place += 1
        if code == bpf.RETURN:
            return value
        if code == bpf.LOAD_WORD:
            accumulator = struct.unpack_from("<I", data, value)[0]
        else:
            place += yes if TESTS[code](accumulator, value) else no


@pytest.mark.parametrize("name", NAMES)
def test_every_forbidden_call_is_refused_whatever_its_arguments(name: str):
    machine, program = MACHINES[name], PROGRAMS[name]
    for number in machine.forbidden():
        assert judge(program, number, machine.audit, *(2**64 - 1,) * 6) == ERRNO | errno.EPERM


@given(
    st.sampled_from(NAMES), st.integers(0, WORDS - 1), st.integers(0, WORDS - 1), st.integers(0, 2**64 - 1)
)
def test_another_calling_convention_never_gets_through(name: str, number: int, arch: int, argument: int):
    if arch != MACHINES[name].audit:
        assert judge(PROGRAMS[name], number, arch, argument) == ERRNO | errno.ENOSYS


@given(st.sampled_from(NAMES), st.integers(NEWEST_KNOWN + 1, WORDS - 1))
def test_what_is_newer_than_the_rules_is_not_there(name: str, number: int):
    assert judge(PROGRAMS[name], number, MACHINES[name].audit) == ERRNO | errno.ENOSYS


@given(st.sampled_from(NAMES), st.integers(0, NEWEST_KNOWN), st.integers(0, 2**64 - 1))
def test_every_call_that_is_not_named_is_allowed(name: str, number: int, argument: int):
    machine = MACHINES[name]
    named = {*machine.forbidden(), machine.clone, machine.socket, machine.ioctl, CLONE3}
    if number not in named:
        assert judge(PROGRAMS[name], number, machine.audit, argument) == ALLOW


@given(st.sampled_from(NAMES), st.integers(0, 2**64 - 1))
def test_a_clone_is_refused_exactly_with_a_new_namespace(name: str, flags: int):
    machine = MACHINES[name]
    wanted = ERRNO | errno.EPERM if flags & NEW_NAMESPACES else ALLOW
    assert judge(PROGRAMS[name], machine.clone, machine.audit, flags) == wanted


@given(st.sampled_from(NAMES), st.integers(0, WORDS - 1))
def test_input_is_not_forged_whatever_stands_above_the_request_s_32_bits(name: str, high: int):
    machine = MACHINES[name]
    for request in (0x5412, 0x541C):
        verdict = judge(PROGRAMS[name], machine.ioctl, machine.audit, 0, high << 32 | request)
        assert verdict == ERRNO | errno.EPERM


def test_a_jump_that_cannot_be_encoded_is_an_error():
    code = bpf.Assembler()
    code.jump(bpf.JUMP_EQUAL, 1, "far")
    for _ in range(bpf.JUMP_MAX + 1):
        code.give(ALLOW)
    code.label("far")
    code.give(ALLOW)
    with pytest.raises(ValueError, match="256 steps"):
        code.program()


def test_an_unknown_machine_has_no_filter():
    assert supports("x86_64")
    assert not supports("pdp11")
