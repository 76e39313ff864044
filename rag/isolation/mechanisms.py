"""The steps by which a process gives up what it could reach, and what is told of each."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass
from enum import StrEnum

from rag.forking import fork_for_answer
from rag.isolation import landlock, limits, namespaces, privileges, seccomp
from rag.isolation.confinement import Confinement
from rag.isolation.kernel import LINUX


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
    """A mechanism as it was found. ``detail``: which version holds, or why it does not."""

    mechanism: Mechanism
    holds: bool
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.mechanism} ({self.detail})" if self.detail else str(self.mechanism)


def leave_network() -> Measure:
    """Move to empty namespaces of the network, of IPC and of host names, where the system lets us."""
    return _measured(Mechanism.NAMESPACES, namespaces.leave)


def forbid_inspection() -> Measure:
    """Have other processes of the same user refused this one's environment and memory."""
    return _measured(Mechanism.UNDUMPABLE, privileges.forbid_inspection)


def allow_inspection() -> None:
    """Undo :func:`forbid_inspection`, which a process has from the one that it was forked from."""
    if LINUX:
        privileges.allow_inspection()


def enter(confinement: Confinement, parent: int) -> tuple[Measure, ...]:
    """Give up what ``confinement`` does not name, for good, and die with ``parent``.

    For a process with one thread that has opened and imported what it will need. Each
    mechanism is taken where the system has it; the order is such that none stands in the
    way of another.
    """
    return (
        _measured(Mechanism.ORDINARY_USER, privileges.become_nobody),
        _measured(Mechanism.NO_CAPABILITIES, privileges.drop_capabilities),
        forbid_inspection(),
        _measured(Mechanism.NO_NEW_PRIVILEGES, lambda: _renounce(parent)),
        _measured(Mechanism.LANDLOCK, lambda: f"ABI {landlock.restrict(confinement)}"),
        _measured(Mechanism.SECCOMP, lambda: seccomp.install(confinement)),
    )


def _renounce(parent: int) -> None:
    limits.die_with_parent(parent)
    privileges.renounce_new_privileges()


def _measured(mechanism: Mechanism, step: Callable[[], str | None]) -> Measure:
    try:
        return Measure(mechanism, True, step() or "")
    except OSError as error:
        return Measure(mechanism, False, error.strerror or str(error))


def survey(confinement: Confinement) -> tuple[Measure, ...]:
    """What really holds here: of a child that enters the confinement and ends.

    Later children find the filter made.
    """
    with suppress(OSError):  # the child will say so
        seccomp.prepare(confinement)
    pid, reading = fork_for_answer(
        lambda writing: os.write(writing, packed(enter(confinement, os.getppid())))
    )
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    return unpacked(told)


def packed(measures: Iterable[Measure]) -> bytes:
    return json.dumps([astuple(measure) for measure in measures]).encode()


def unpacked(told: bytes) -> tuple[Measure, ...]:
    """Raises ValueError for what :func:`packed` did not make."""
    return tuple(Measure(Mechanism(name), holds, detail) for name, holds, detail in json.loads(told))


def missing(measures: Iterable[Measure]) -> Iterator[Measure]:
    return (measure for measure in measures if not measure.holds)
