"""What is installed and how it is set up. No check here needs a server."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from cli.doctor.finding import Finding, State
from rag import isolation
from rag.settings import Settings
from rag.settings.sources import ENVIRONMENT, read
from tasks.lanes import LANES
from workers.recognition.files import INSTALL, is_installed

_FREE_BYTES = 2 * 1024**3
_ISOLATION = "isolation"
_ISOLATION_PROBE = (sys.executable, "-P", "-m", "rag.isolation.probe")
_ISOLATION_SECONDS = 30
_ISOLATION_REMEDY = "see docs/reference/container.md: what holds the processes that read files"


def examine(settings: Settings) -> Iterator[Finding]:
    yield Finding("Python", "ok", sys.version.split()[0])
    reading = read(Settings)
    sources = " and ".join([ENVIRONMENT, *reading.files])
    yield Finding("settings", "ok", f"valid, environment {settings.environment}, from the {sources}")
    yield from (Finding("settings", "note", line, "aegis config check") for line in reading.warnings)
    yield from (Finding("settings", "note", line) for line in reading.remarks)
    times = {
        "lease": settings.lease_seconds,
        "hard limit": settings.stage_timeout,
        "visibility timeout": settings.visibility_timeout,
        "stale lease": settings.stale_lease_seconds,
    }
    # They are in order, or the settings would not have been valid.
    chain = " < ".join(f"{what} {seconds:g}" for what, seconds in times.items())
    yield Finding("times", "ok", f"{chain} s")
    yield _describe_limits(settings)
    yield _check_disk(settings)
    yield _check_recognition(settings)


def _check_recognition(settings: Settings) -> Finding:
    part = "text recognition"
    if settings.ocr == "off":
        return Finding(part, "note", "off: scans and pictures are not read", "OCR=auto")
    if is_installed():
        return Finding(part, "ok", f"installed, OCR is {settings.ocr}")
    lacking: State = "bad" if settings.ocr == "always" else "note"
    return Finding(part, lacking, "not installed: scans and pictures are not read", INSTALL)


def _describe_limits(settings: Settings) -> Finding:
    """Workers refuse to start with other limits."""
    solo = ", ".join(lane.name for lane in LANES if lane.pool == "solo")
    text = (
        f"{settings.stage_timeout:g} s by the workers, {settings.backup_stage_timeout:g} s by that of "
        f"backups; {settings.interactive_timeout:g} s by the supervisor in {solo}, which know none"
    )
    return Finding("time limits", "ok", text)


def _check_disk(settings: Settings) -> Finding:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{settings.home}: {free / 1024**3:.1f} GB free"
    if free < _FREE_BYTES:
        return Finding("disk", "bad", text, "free some space: at least 2 GB should be left")
    return Finding("disk", "ok", text)


def examine_isolation(settings: Settings) -> Iterator[Finding]:
    """What confines a process that reads files, tried in one that starts as the parse lane's would.

    A finding for each mechanism. A missing one is bad where PARSE_ISOLATION is ``strict``.
    """
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        probe = subprocess.run(
            _ISOLATION_PROBE, env=environment, capture_output=True, timeout=_ISOLATION_SECONDS, check=True
        )
        measures = isolation.unpacked(probe.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        yield Finding(_ISOLATION, "bad", f"the process that tries it fails: {error}", _ISOLATION_REMEDY)
        return
    missing: State = "bad" if settings.parse_isolation == "strict" else "note"
    for measure in measures:
        part = f"{_ISOLATION}: {measure.mechanism}"
        if measure.holds:
            yield Finding(part, "ok", measure.detail or "holds")
        else:
            yield Finding(part, missing, f"not on this system: {measure.detail}", _ISOLATION_REMEDY)
