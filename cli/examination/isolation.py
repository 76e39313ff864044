"""By what the processes that read files are held: tried in one, as the parse lane would start it here."""

import os
import subprocess
import sys
from collections.abc import Iterator

from cli.examination.finding import Finding, State
from rag import isolation
from rag.isolation import Measure
from rag.settings import Settings

PART = "isolation"
_COMMAND = (sys.executable, "-P", "-m", "rag.isolation.probe")
_SECONDS = 30
_REMEDY = "see docs/reference/container.md: what holds the processes that read files"


def examine(settings: Settings) -> Iterator[Finding]:
    """A finding for each mechanism. One that lacks is bad where PARSE_ISOLATION is ``strict``."""
    try:
        measures = _measures()
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        yield Finding(PART, "bad", f"the process that tries it fails: {error}", _REMEDY)
        return
    yield from (_finding(measure, settings) for measure in measures)


def _measures() -> tuple[Measure, ...]:
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    told = subprocess.run(_COMMAND, env=environment, capture_output=True, timeout=_SECONDS, check=True)
    return isolation.unpacked(told.stdout)


def _finding(measure: Measure, settings: Settings) -> Finding:
    part = f"{PART}: {measure.mechanism}"
    if measure.holds:
        return Finding(part, "ok", measure.detail or "holds")
    state: State = "bad" if settings.parse_isolation == "strict" else "note"
    return Finding(part, state, f"not on this system: {measure.detail}", _REMEDY)
