"""Notices that a part hangs: its process is there, but not what it is there for."""

import asyncio
from time import monotonic

from cli.part import Part

LOOK_SECONDS = 2.0
_LONGEST_LOOK = 5.0


async def until_hung(part: Part, pid: int, *, well: bool) -> str:
    """Return why, once every look for the part's patience has found something wrong.

    ``well``: it was ready; else nothing counts before the first look that finds nothing wrong.
    A look counts for a few seconds at most, so a supervisor that was itself stopped accuses nobody.
    """
    failed = 0.0
    while True:
        began = monotonic()
        await asyncio.sleep(LOOK_SECONDS)
        wrong = await asyncio.to_thread(part.watch, pid) if part.watch else None
        well = well or wrong is None
        failed = failed + min(monotonic() - began, _LONGEST_LOOK) if wrong and well else 0.0
        if wrong and failed >= part.patience:
            return wrong
