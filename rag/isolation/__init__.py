"""Confines processes that handle data from strangers: they reach nothing but what they are given.

``enter(Confinement(...), parent)`` gives up the rest. Each mechanism has a module: ``landlock`` (files,
TCP, signals), ``seccomp`` (system calls; ``bpf`` and ``syscalls`` write its filter), ``privileges`` (root,
capabilities, inspection, namespaces) and ``limits`` (resources, and the process that it ends with). Each
mechanism is used where the system has it, and a :class:`Measure` says whether it holds. See
``docs/decisions/0028-isolation.md``.
"""

from rag.isolation.confinement import Confinement
from rag.isolation.mechanisms import (
    Measure,
    Mechanism,
    enter,
    forbid_inspection,
    leave_network,
    missing,
    packed,
    survey,
    unpacked,
)
from rag.isolation.privileges import allow_inspection

__all__ = [
    "Confinement",
    "Measure",
    "Mechanism",
    "allow_inspection",
    "enter",
    "forbid_inspection",
    "leave_network",
    "missing",
    "packed",
    "survey",
    "unpacked",
]
