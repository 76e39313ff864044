"""Writes seccomp filters: programs for the kernel's classic BPF machine.

A filter begins with the checks that every filter needs: that the architecture is the one it was written
for, and on x86_64 that the call is not of the x32 interface, whose numbers mean other calls. Then comes a
block for each rule, and at the end the refusal of every other call. Sources: ``seccomp(2)``,
``linux/filter.h``, ``linux/seccomp.h``, ``linux/audit.h``.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from rag.isolation.kernel import AARCH64, X86_64

EPERM, ENOSYS = 1, 38
AUDIT_ARCH = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}
KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
INSTRUCTION = struct.Struct("HBBI")
"""``struct sock_filter``: operation, jump where true, jump where false, operand."""

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP_EQUAL, _JUMP_AT_LEAST = 0x15, 0x35
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000
_ALL = 0xFFFFFFFF

Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Test:
    """One of the six arguments, by its lower or ``upper`` 32 bits: after ``mask`` it is one of ``values``."""

    argument: int
    values: tuple[int, ...]
    mask: int = _ALL
    upper: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """The call is allowed where all tests hold; it fails with ``otherwise`` where one does not."""

    number: int
    tests: tuple[Test, ...] = ()
    otherwise: int = EPERM


def beginning(machine: str) -> list[Instruction]:
    """The checks of the architecture, which leave the call's number in the accumulator."""
    checks = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == X86_64:
        checks += [(_JUMP_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, ERRNO | ENOSYS)]
    return checks


def block(rule: Rule) -> list[Instruction]:
    """The instructions of a rule. Each path through them returns, so that the call's number stays loaded."""
    inside = [
        *(instruction for test in rule.tests for instruction in _tested(test, rule.otherwise)),
        (_RETURN, 0, 0, ALLOW),
    ]
    return [(_JUMP_EQUAL, 0, len(inside), rule.number), *inside]


def end(unheard_of: int) -> list[Instruction]:
    """Calls without a rule fail: with ENOSYS from the number ``unheard_of`` on, so that the C
    library falls back on older ones, with EPERM below."""
    return [
        (_JUMP_AT_LEAST, 0, 1, unheard_of),
        (_RETURN, 0, 0, ERRNO | ENOSYS),
        (_RETURN, 0, 0, ERRNO | EPERM),
    ]


def assembled(instructions: Iterable[Instruction]) -> bytes:
    """The program in the kernel's binary form."""
    return b"".join(INSTRUCTION.pack(*instruction) for instruction in instructions)


def _tested(test: Test, otherwise: int) -> list[Instruction]:
    """Little-endian: the lower half of an argument comes first."""
    count = len(test.values)
    return [
        (_LOAD, 0, 0, _ARGUMENTS + 8 * test.argument + 4 * test.upper),
        (_AND, 0, 0, test.mask),
        *((_JUMP_EQUAL, count - place, 0, value) for place, value in enumerate(test.values)),
        (_RETURN, 0, 0, ERRNO | otherwise),
    ]
