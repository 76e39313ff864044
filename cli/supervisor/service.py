"""A service of the stack: a program that the supervisor starts, watches and stops."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from signal import Signals

Probe = Callable[[int], str | None]
"""Takes the process id. Returns None when nothing is wrong, else a sentence that says what is.

The supervisor calls it in a thread, several times a second. It must return within about two seconds.
"""

StopSignals = tuple[tuple[Signals, float], ...]
"""Signals that stop a process, each with the seconds to wait before the next; SIGKILL follows the last."""

TERMINATE: StopSignals = ((Signals.SIGTERM, 10.0),)
TERMINATE_HUNG: StopSignals = ((Signals.SIGTERM, 2.0),)


@dataclass(frozen=True, slots=True)
class Service:
    """What to run and how.

    needs: names of the services that must be ready before this one starts.
    stop_rank: services of a lower rank stop first; those of one rank stop together.
    probe: says what is missing until the process is ready; without it a process is ready when it runs.
    start_timeout: seconds until the process must be ready.
    watch: says what is wrong with a running process; None when nothing is wrong or nothing can be known.
    hang_seconds: a process that is wrong for so long is ended and started again.
    nice: added to the supervisor's own niceness.
    forked: a Python module whose imports :mod:`cli.supervisor.fork_server` has loaded, so that it can be
    forked from there. audited: its audit log lines go to a file of their own.
    quiet: its warnings go to its log only.
    redis_log: it writes lines as Redis does; :mod:`cli.supervisor.logs` puts them into the format of the
    others. environment: added to the environment that all services get.
    """

    name: str
    command: Sequence[str]
    stop_rank: int = 0
    needs: tuple[str, ...] = ()
    probe: Probe | None = None
    start_timeout: float = 90.0
    watch: Probe | None = None
    hang_seconds: float = 30.0
    nice: int = 0
    forked: bool = False
    quiet: bool = False
    audited: bool = False
    redis_log: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signals: StopSignals = TERMINATE
