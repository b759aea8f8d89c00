"""A small assembler for the classic BPF that seccomp takes: forward jumps to labels, nothing else."""

from __future__ import annotations

import struct

import attrs

LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_GREATER = 0x25  # BPF_JMP | BPF_JGT | BPF_K
JUMP_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K

JUMP_MAX = 255  # a jump's distance is one byte
INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter, in the machine's byte order


@attrs.frozen
class _Step:
    code: int
    value: int
    label: str = ""  # where to go when the comparison holds; otherwise to the next step


class Assembler:
    """Gathers instructions and resolves their labels."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._labels: dict[str, int] = {}

    def load(self, offset: int) -> None:
        """Load the 32-bit word of the call's data at an offset into the accumulator."""
        self._steps.append(_Step(LOAD_WORD, offset))

    def jump(self, test: int, value: int, label: str) -> None:
        """Go to a label further on when the accumulator passes a test against a value."""
        self._steps.append(_Step(test, value, label))

    def give(self, value: int) -> None:
        """End with a verdict."""
        self._steps.append(_Step(RETURN, value))

    def label(self, name: str) -> None:
        """Name the next instruction."""
        self._labels[name] = len(self._steps)

    def program(self) -> bytes:
        """Return the instructions as the kernel wants them.

        Raises:
            ValueError: A jump is too far or goes back: a fault of the one who wrote the rules.
        """
        return b"".join(self._encode(place, step) for place, step in enumerate(self._steps))

    def _encode(self, place: int, step: _Step) -> bytes:
        if not step.label:
            return INSTRUCTION.pack(step.code, 0, 0, step.value)
        distance = self._labels[step.label] - place - 1
        if not 0 <= distance <= JUMP_MAX:
            raise ValueError(f"the jump to {step.label!r} is {distance} steps long")
        return INSTRUCTION.pack(step.code, distance, 0, step.value)
