"""Ends the services when the supervisor can no longer do it, where no fork server does.

The fork server (:mod:`cli.supervisor.fork_server`) does it on Linux; this one elsewhere, and once that has
died. A shell reads from a pipe that only the supervisor holds open. When the supervisor ends, for whatever
reason, the pipe closes and the shell ends every process group that it guards. This
works on every Unix. Unlike a parent-death signal it also reaches grandchildren. It costs
about a megabyte of memory.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

_SCRIPT = """
groups=
while read -r verb group; do
    kept=
    for other in $groups; do [ "$other" = "$group" ] || kept="$kept $other"; done
    groups=$kept
    [ "$verb" = guard ] && groups="$groups $group"
done
tell() { for group in $groups; do kill -s "$1" -- "-$group" 2>/dev/null && alive=1; done; }
tell TERM
for _ in 1 2 3 4 5 6 7 8 9 10; do
    alive=
    tell 0
    [ "$alive" ] || exit 0
    sleep 0.5
done
tell KILL
"""


class Guard(Protocol):
    """Knows which process groups to end when this process ends, however it does."""

    def guard(self, group: int) -> None: ...
    def release(self, group: int) -> None: ...


class OrphanGuard:
    """Knows which process groups to end. A shell that was killed is replaced by the next call."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._shell = self._start_shell()

    def guard(self, group: int) -> None:
        self._groups.add(group)
        self._send(f"guard {group}\n")

    def release(self, group: int) -> None:
        self._groups.discard(group)
        self._send(f"release {group}\n")

    def close(self) -> None:
        """End the shell. It first ends the groups that it still guards; after a clean stop there are none."""
        self._shell.communicate()

    def _send(self, line: str) -> None:
        if not self._write(line):
            self._shell.wait()
            self._shell = self._start_shell()
            for group in sorted(self._groups):
                self._write(f"guard {group}\n")

    def _write(self, line: str) -> bool:
        """False when the shell was killed."""
        pipe = self._shell.stdin
        if pipe is None:
            return False
        try:
            pipe.write(line)
            pipe.flush()
        except BrokenPipeError:
            return False
        return True

    def _start_shell(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "orphan-guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath},  # no secrets: the shell does not need them
            start_new_session=True,
            text=True,
        )


@contextmanager
def guarding_orphans() -> Iterator[OrphanGuard]:
    guard = OrphanGuard()
    try:
        yield guard
    finally:
        guard.close()
