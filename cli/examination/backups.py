"""Backups: whether their store answers, BACKUP_KEY fits, and the newest is as young as it should be."""

from collections.abc import Callable
from time import time

from cli.examination.finding import Finding, timed
from cli.figures import duration
from rag.cron import NEVER, next_time
from rag.errors import NotFound
from rag.model import Manifest
from rag.settings import Settings
from rag.stores.backups.vault import Vault

PART = "backups"
REMEDY = "see BACKUP_URL, its credentials, and BACKUP_KEY"
_MISSING = "see `aegis backup list`, `aegis dlq list`, and the logs of lane backup and of beat"
_LATE_SECONDS = 3600.0


def examine(settings: Settings, store: Callable[[], Vault], *, running: bool) -> Finding:
    """``running``: backups are made, so one that is missing is missed. Raises what the vault does."""
    if settings.backup_url is None and not (settings.home / "backups").exists():
        return _none(settings)
    vault = store()
    _, ms = timed(vault.probe)
    try:
        newest = vault.newest()
    except NotFound:
        return _none(settings, ms)
    text = f"{settings.backup_address}: the newest is {duration(time() - newest.began_at)} old"
    if running and _late(settings, newest):
        return Finding(PART, "bad", f"{text}, by BACKUP_SCHEDULE there should be another", _MISSING, ms)
    return _judged(settings, f"{text}, {'' if newest.encrypted else 'not '}encrypted", ms)


def _none(settings: Settings, ms: float | None = None) -> Finding:
    return Finding(PART, "note", f"{settings.backup_address}: none yet", "aegis backup", ms)


def _late(settings: Settings, newest: Manifest) -> bool:
    schedule = settings.backup_schedule
    return schedule != NEVER and next_time(schedule, newest.began_at) + _LATE_SECONDS < time()


def _judged(settings: Settings, text: str, ms: float) -> Finding:
    if settings.backup_url is None:
        return Finding(PART, "note", text, "set BACKUP_URL: what is in AEGIS_HOME is lost with its disk", ms)
    if settings.backup_key is None:
        return Finding(PART, "note", text, "set BACKUP_KEY, unless nobody else can read what is there", ms)
    return Finding(PART, "ok", text, ms=ms)
