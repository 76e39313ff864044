"""One part's life: started when what it needs is ready, restarted whenever it dies."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Protocol

from cli.foreign import ours
from cli.home import Roster
from cli.logs import AUDIT_FILES, LogFile, Output
from cli.nursery import Nursery
from cli.part import HUNG, Part
from cli.process import PartProcess, ending
from cli.warden import Warden
from cli.watch import until_hung
from rag.errors import Unavailable

_PROBE_SECONDS = 0.1
_BOOT_TRIES = 3
_STEADY_SECONDS = 30.0
"""A part that lived so long is not in a crash loop."""

_BACKOFF = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the first, second, … restart in a row."""


class Witness(Protocol):
    """Who is told what happens to the parts."""

    def ready(self, part: str, seconds: float) -> None: ...
    def show_death(self, part: str, how: str, *, restart: int, wait: float) -> None: ...
    def back(self, part: str, seconds: float) -> None: ...
    def show_stop(self, part: str, seconds: float) -> None: ...
    def show_line(self, part: str, line: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all keepers of a stack share. ``folder``: where the parts run; ``logs``: where they write."""

    folder: Path
    logs: Path
    environment: Mapping[str, str]
    witness: Witness
    warden: Warden
    roster: Roster
    nursery: Nursery | None = None
    verbose: bool = False


class Keeper:
    """Keeps one part running."""

    def __init__(self, part: Part, surroundings: Surroundings) -> None:
        self.part = part
        self.is_ready = asyncio.Event()
        self._around = surroundings
        self._process: PartProcess | None = None
        self._restarts = 0
        self._in_a_row = 0
        self._output = Output(
            LogFile(surroundings.logs, part.name),
            self._show,
            verbose=surroundings.verbose,
            audit=LogFile(surroundings.logs, "audit", AUDIT_FILES) if part.audited else None,
            rewrite=partial(ours, part.name) if part.foreign else None,
        )

    async def live(self) -> None:
        """Start the part and keep it alive until cancelled. Unavailable when it cannot start at all."""
        seconds = await self._boot()
        self.is_ready.set()
        self._around.witness.ready(self.part.name, seconds)
        ready = True
        while True:
            ready = await self._restart_when_over(ready=ready)

    async def stop(self, hurry: asyncio.Event) -> None:
        """End the part if it runs; :meth:`live` must have been cancelled."""
        if self._process is not None:
            began = monotonic()
            await self._process.stop(self.part.farewell, hurry)
            self._forget()
            self._around.witness.show_stop(self.part.name, monotonic() - began)
        self._output.close()

    async def _boot(self) -> float:
        """Seconds until ready. What a signal ended is tried again; an exit on its own is not."""
        for attempt in range(1, _BOOT_TRIES + 1):
            process = await self._start()
            status = await self._ready_or_ended(process)
            if status is None:
                return process.age
            self._forget()
            if status >= 0 or attempt == _BOOT_TRIES:
                raise self._no_start(f"ended with {ending(status)}")
            self._show_last_words(status)
            self._around.witness.show_death(self.part.name, ending(status), restart=attempt, wait=0.0)
        raise AssertionError("unreachable")

    async def _start(self) -> PartProcess:
        around = self._around
        self._output.forget()
        try:
            process = await PartProcess.start(
                self.part,
                self._output,
                environment=around.environment,
                folder=around.folder,
                nursery=around.nursery,
            )
        except OSError as error:
            raise self._no_start(str(error)) from error
        self._process = process
        around.warden.guard(process.pid)
        around.roster.enter(self.part.name, process.pid)
        return process

    async def _ready_or_ended(self, process: PartProcess) -> int | None:
        """The exit status when it ended before it was ready, None once it is ready."""
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(self._until_ready(process))
        try:
            await asyncio.wait((ended, ready), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return ended.result()
            ready.result()
            return None
        finally:
            ended.cancel()
            ready.cancel()

    async def _until_ready(self, process: PartProcess) -> None:
        probe = self.part.probe
        while probe is not None:
            missing = await asyncio.to_thread(probe, process.pid)
            if missing is None:
                return
            if process.age > self.part.ready_within:
                raise self._no_start(f"was not ready within {self.part.ready_within:.0f} s: {missing}")
            await asyncio.sleep(_PROBE_SECONDS)

    async def _restart_when_over(self, *, ready: bool) -> bool:
        """``ready``: whether the process that runs was; the same of its successor comes back."""
        if self._process is None:
            raise AssertionError("a part is watched only after it was started")
        process = self._process
        how = await self._over(process, ready=ready)
        self._forget()
        self._in_a_row = 0 if process.age > _STEADY_SECONDS else self._in_a_row + 1
        wait = _BACKOFF[min(max(self._in_a_row - 1, 0), len(_BACKOFF) - 1)]
        self._restarts += 1
        self._around.witness.show_death(self.part.name, how, restart=self._restarts, wait=wait)
        await asyncio.sleep(wait)
        process = await self._start()
        back = await self._is_back(process)
        if back:
            self._around.witness.back(self.part.name, process.age)
        return back

    async def _over(self, process: PartProcess, *, ready: bool) -> str:
        """Wait until the process has ended, or hangs: then it is ended here. How it was."""
        ended = asyncio.create_task(process.wait())
        hung = asyncio.create_task(until_hung(self.part, process.pid, well=ready))
        try:
            await asyncio.wait((ended, hung), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                self._show_last_words(ended.result())
                return ending(ended.result())
            status = await process.stop(HUNG, asyncio.Event())
            return f"{ending(status)} because it hung: {hung.result()}"
        finally:
            ended.cancel()
            hung.cancel()

    async def _is_back(self, process: PartProcess) -> bool:
        """False when it died again, or takes longer than it should: then it is let be."""
        try:
            return await self._ready_or_ended(process) is None
        except Unavailable as error:
            for line in str(error).splitlines():
                self._around.witness.show_line(self.part.name, line)
            return False

    def _show_last_words(self, status: int) -> None:
        """Of a process that did not end well, unless they were shown already."""
        if status and (line := self._output.unshown):
            self._around.witness.show_line(self.part.name, line)

    def _show(self, line: str) -> None:
        if self._around.verbose or not self.part.quiet:
            self._around.witness.show_line(self.part.name, line)

    def _forget(self) -> None:
        if self._process is not None:
            self._around.warden.release(self._process.pid)
            self._around.roster.leave(self.part.name)
            self._process = None

    def _no_start(self, why: str) -> Unavailable:
        last = "\n".join(f"    {line}" for line in self._output.last_lines)
        where = f"Its log: {self._output.file.path}"
        return Unavailable(
            f"{self.part.name} {why}\n{last}\n{where}" if last else f"{self.part.name} {why}. {where}"
        )
