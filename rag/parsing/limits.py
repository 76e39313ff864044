"""What a process that parses may not do: :mod:`rag.isolation`, by the names that are used here."""

from rag.isolation.kernel import LINUX
from rag.isolation.limits import (
    adopt_orphans,
    confine,
    die_with_parent,
    end_children,
    volunteer_for_oom_killer,
)
from rag.isolation.mechanisms import leave_network

__all__ = [
    "LINUX",
    "adopt_orphans",
    "confine",
    "die_with_parent",
    "end_children",
    "leave_network",
    "volunteer_for_oom_killer",
]
