"""What a half-hourly backup costs: ``python -m bench.backups [POINTS] [NEW] [PASSAGES]``.

A stack of its own with the embedded engine holds POINTS points (20,000) in documents of PASSAGES passages
(10). One backup saves them all; then NEW points (640) come, and a second backup is measured, and a third
one, for which nothing has changed. Then the machine's data is lost, and all of it restored.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from bench.client import Caller
from bench.library import Library
from bench.stack import Stack, started
from rag.settings import Settings
from workers.tools import Tools

TOKENS = 128  # of a passage of usual length
SETTLE_SECONDS = 6.0
"""After documents were published: so long their clocks may be apart, and then nothing else is at work."""


def main(points: int = 20_000, new: int = 640, passages: int = 10) -> None:
    """Print a line for each backup and for the restore."""
    before = Library("halfhour", points // passages, passages, TOKENS)
    after = Library("halfhour", (points + new) // passages, passages, TOKENS)
    with tempfile.TemporaryDirectory(prefix="aegis-bench-") as scratch:
        settings = _settings(Path(scratch) / "backups")
        home = Path(scratch) / "lost"
        with started(home, settings) as stack:
            tools, caller = Tools(Settings(aegis_home=home)), Caller(stack.url)
            before.put(tools)
            _measure("first backup", stack, lambda: caller.done("/v1/backups"))
            after.put(tools, before.documents)
            _measure(f"with {new} new points", stack, lambda: caller.done("/v1/backups"))
            _measure("with nothing new", stack, lambda: caller.done("/v1/backups"))
        shutil.rmtree(home)
        with started(Path(scratch) / "anew", settings) as stack:
            caller = Caller(stack.url)
            _measure("restore", stack, lambda: caller.done("/v1/backups/latest/restore"))


def _settings(vault: Path) -> dict[str, str]:
    """Backups are made when they are asked for alone."""
    schedules = ("", "VERIFY_", "REHEARSE_", "PRUNE_")
    return {"BACKUP_URL": vault.as_uri(), **{f"BACKUP_{name}SCHEDULE": "never" for name in schedules}}


def _measure(name: str, stack: Stack, work: Callable[[], dict[str, Any]]) -> None:
    sleep(SETTLE_SECONDS)
    processor, begun = stack.processor_seconds(), perf_counter()
    result = work()
    wall, processor = perf_counter() - begun, stack.processor_seconds() - processor
    megabytes = result.get("sent", result["bytes"]) / 1e6
    sys.stdout.write(f"{name}: {processor:.2f} s of processor time, {megabytes:.1f} MB, {wall:.2f} s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
