"""The rules: what Docker's default filter refuses in spirit, as a list of what is refused."""

from __future__ import annotations

import errno

from devbench_runtime_bubblewrap.seccomp import bpf
from devbench_runtime_bubblewrap.seccomp.calls import CLONE3, MACHINES, NEWEST_KNOWN, Machine

ALLOW = 0x7FFF0000  # SECCOMP_RET_ALLOW
ERRNO = 0x00050000  # SECCOMP_RET_ERRNO, the number in the low bits

# struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]. Little-endian: low words first.
NUMBER, ARCH, FIRST_ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET (NEWTIME exists for unshare and clone3 only)
NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
TERMINAL_INJECTIONS = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: input for somebody else's terminal
SOCKET_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK


def build(machine: str) -> bytes:
    """Return the filter's program for a machine.

    Another calling convention (32-bit, x32), ``clone3`` and calls newer than these rules answer ENOSYS, so that
    libraries fall back to what is known; forbidden calls answer EPERM, exotic sockets EAFNOSUPPORT.

    Raises:
        KeyError: No filter is known for this machine.
    """
    known = MACHINES[machine]
    code = bpf.Assembler()
    code.load(ARCH)
    code.jump(bpf.JUMP_EQUAL, known.audit, "native")
    code.give(ERRNO | errno.ENOSYS)
    code.label("native")
    code.load(NUMBER)
    _by_number(code, known)
    _by_argument(code)
    _verdicts(code)
    return code.program()


def _by_number(code: bpf.Assembler, machine: Machine) -> None:
    code.jump(bpf.JUMP_GREATER, NEWEST_KNOWN, "unknown")  # true of every x32 call, too (bit 30 is set)
    code.jump(bpf.JUMP_EQUAL, machine.ioctl, "ioctl")
    code.jump(bpf.JUMP_EQUAL, machine.socket, "socket")
    code.jump(bpf.JUMP_EQUAL, machine.clone, "clone")
    code.jump(bpf.JUMP_EQUAL, CLONE3, "unknown")
    for number in machine.forbidden():
        code.jump(bpf.JUMP_EQUAL, number, "forbidden")
    code.give(ALLOW)


def _by_argument(code: bpf.Assembler) -> None:
    """Judge by an argument's low word: the kernel looks at no more of these three (ints, and flags below 2³²)."""
    code.label("ioctl")
    code.load(SECOND_ARGUMENT)
    for request in TERMINAL_INJECTIONS:
        code.jump(bpf.JUMP_EQUAL, request, "forbidden")
    code.give(ALLOW)
    code.label("socket")
    code.load(FIRST_ARGUMENT)
    for family in SOCKET_FAMILIES:
        code.jump(bpf.JUMP_EQUAL, family, "allowed")
    code.give(ERRNO | errno.EAFNOSUPPORT)
    code.label("clone")
    code.load(FIRST_ARGUMENT)
    code.jump(bpf.JUMP_ANY_BIT, NEW_NAMESPACES, "forbidden")
    code.give(ALLOW)


def _verdicts(code: bpf.Assembler) -> None:
    code.label("allowed")
    code.give(ALLOW)
    code.label("unknown")
    code.give(ERRNO | errno.ENOSYS)
    code.label("forbidden")
    code.give(ERRNO | errno.EPERM)
