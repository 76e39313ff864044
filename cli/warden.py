"""Ends the parts when the supervisor cannot do it any more.

A shell that reads from a pipe which only the supervisor holds open. When the supervisor
is gone, however it went, the pipe closes and the shell ends every process group it was
told to guard. It works on every Unix, and unlike a parent-death signal it also reaches
the grandchildren; it costs a megabyte.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

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


class Warden:
    """Knows which process groups to end."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._shell = self._new_shell()

    def guard(self, group: int) -> None:
        self._groups.add(group)
        self._tell(f"guard {group}\n")

    def release(self, group: int) -> None:
        self._groups.discard(group)
        self._tell(f"release {group}\n")

    def close(self) -> None:
        """Let the shell go. It ends at once what is still guarded, which is nothing after a clean stop."""
        self._shell.communicate()

    def _tell(self, line: str) -> None:
        if not self._write(line):
            self._shell.wait()
            self._shell = self._new_shell()
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

    def _new_shell(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT, "warden"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath},  # it needs to know no secrets
            start_new_session=True,
            text=True,
        )


@contextmanager
def on_duty() -> Iterator[Warden]:
    warden = Warden()
    try:
        yield warden
    finally:
        warden.close()
