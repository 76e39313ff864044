"""A part of the stack: a program that the supervisor starts, watches and stops."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from signal import Signals

Probe = Callable[[int], str | None]
"""Given the process id: None once the part is ready, else what is still missing.

Called in a thread, many times a second; must answer within a second or so.
"""

Farewell = tuple[tuple[Signals, float], ...]
"""Signals to stop with, each with the seconds that are waited before the next; SIGKILL follows."""

TERMINATE: Farewell = ((Signals.SIGTERM, 10.0),)
HUNG: Farewell = ((Signals.SIGTERM, 2.0),)


@dataclass(frozen=True, slots=True)
class Part:
    """What to run and how.

    needs: names of parts that are ready before this one is started.
    stop_rank: parts of a lower rank are stopped first; those of one rank together.
    ready_within: seconds of patience at boot; a part without ``probe`` is ready when started.
    watch: what is wrong with the process while it runs, None where nothing is or nothing can be known.
    patience: seconds for which something must be wrong before the process is ended and started anew.
    nice: added to the supervisor's own niceness.
    forked: a Python module whose imports :mod:`cli.zygote` has, so that a fork of it will do.
    audited: its lines of the audit log go into a file of their own.
    quiet: its warnings go to its log only.
    foreign: it prints as Redis does, which :mod:`cli.foreign` puts in the format of the others.
    environment: on top of the environment that all parts get.
    """

    name: str
    command: Sequence[str]
    stop_rank: int = 0
    needs: tuple[str, ...] = ()
    probe: Probe | None = None
    ready_within: float = 90.0
    watch: Probe | None = None
    patience: float = 30.0
    nice: int = 0
    forked: bool = False
    quiet: bool = False
    audited: bool = False
    foreign: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    farewell: Farewell = TERMINATE
