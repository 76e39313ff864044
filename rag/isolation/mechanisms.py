"""The steps by which a process confines itself, and a measure of each."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass
from enum import StrEnum

from rag.isolation import kernel, landlock, limits, privileges, seccomp
from rag.isolation.confinement import Confinement
from rag.isolation.forking import fork_for_answer


class Mechanism(StrEnum):
    """By the names that ``aegis doctor`` shows."""

    NAMESPACES = "network namespace"
    ORDINARY_USER = "ordinary user"
    NO_CAPABILITIES = "no capabilities"
    NO_NEW_PRIVILEGES = "no-new-privs"
    UNDUMPABLE = "undumpable"
    LANDLOCK = "Landlock"
    SECCOMP = "seccomp"


@dataclass(frozen=True, slots=True)
class Measure:
    """Whether a mechanism holds. ``detail``: its version, or why it does not hold."""

    mechanism: Mechanism
    holds: bool
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.mechanism} ({self.detail})" if self.detail else str(self.mechanism)


def leave_network() -> Measure:
    """Move to empty namespaces of the network, of IPC and of host names, where the system allows it."""
    return _measured(Mechanism.NAMESPACES, privileges.leave_namespaces)


def forbid_inspection() -> Measure:
    """Refuse other processes of the same user this one's environment and memory."""
    return _measured(Mechanism.UNDUMPABLE, privileges.forbid_inspection)


def enter(confinement: Confinement, parent: int) -> tuple[Measure, ...]:
    """Give up what ``confinement`` does not name, for good, and die with ``parent``.

    For a process with one thread that has opened and imported what it will need. Each mechanism is used
    where the system has it, in an order in which none blocks a later one.
    """
    gave_up = (
        _measured(Mechanism.ORDINARY_USER, privileges.become_nobody),
        _measured(Mechanism.NO_CAPABILITIES, privileges.drop_capabilities),
        forbid_inspection(),
    )
    limits.die_with_parent(parent)  # the kernel forgot it when the user changed
    return (
        *gave_up,
        _measured(Mechanism.NO_NEW_PRIVILEGES, privileges.renounce_new_privileges),
        _measured(Mechanism.LANDLOCK, lambda: f"ABI {landlock.restrict(confinement)}"),
        _measured(Mechanism.SECCOMP, lambda: seccomp.install(confinement)),
    )


def _measured(mechanism: Mechanism, step: Callable[[], str | None]) -> Measure:
    try:
        return Measure(mechanism, True, step() or "")
    except OSError as error:
        return Measure(mechanism, False, error.strerror or str(error))


def survey(confinement: Confinement) -> tuple[Measure, ...]:
    """The measures that hold on this system, as a child finds them that enters the confinement and ends."""
    # Children that are forked later find most of the filter made, and install it within a millisecond.
    with suppress(OSError):  # the child will say so
        seccomp.filter_for(confinement, kernel.machine(), os.getpid())
    pid, reading = fork_for_answer(
        lambda writing: os.write(writing, packed(enter(confinement, os.getppid())))
    )
    with os.fdopen(reading, "rb") as pipe:
        measures = pipe.read()
    os.waitpid(pid, 0)
    return unpacked(measures)


def packed(measures: Iterable[Measure]) -> bytes:
    return json.dumps([astuple(measure) for measure in measures]).encode()


def unpacked(data: bytes) -> tuple[Measure, ...]:
    """Raises ValueError for what :func:`packed` did not make."""
    return tuple(Measure(Mechanism(name), holds, detail) for name, holds, detail in json.loads(data))


def missing(measures: Iterable[Measure]) -> Iterator[Measure]:
    return (measure for measure in measures if not measure.holds)
