"""Processes that handle what strangers sent reach nothing but what they are given.

``enter(Confinement(...), parent)`` gives up the rest, one module a mechanism: ``landlock``
(files, TCP, signals), ``seccomp`` (system calls; ``bpf`` and ``syscalls`` write its filter),
``privileges`` (root, capabilities, being looked into), ``namespaces`` (the network) and
``limits`` (resources, and whom a process ends with). Each is taken where the system has it,
and a :class:`Measure` says whether it holds. See ``docs/decisions/0028-isolation.md``.
"""

from rag.isolation.confinement import Confinement
from rag.isolation.mechanisms import (
    Measure,
    Mechanism,
    allow_inspection,
    enter,
    forbid_inspection,
    leave_network,
    missing,
    packed,
    survey,
    unpacked,
)

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
