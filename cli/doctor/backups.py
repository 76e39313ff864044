"""Backups: whether their store answers, BACKUP_KEY fits, and the newest is not too old."""

from collections.abc import Callable
from dataclasses import replace
from time import time

from cli.doctor.finding import Finding, timed
from cli.units import duration
from rag.backups.vault import Vault
from rag.errors import NotFound
from rag.settings import Settings
from rag.settings.cron import next_time
from rag.settings.texts import NEVER

PART = "backups"
REMEDY = "see BACKUP_URL, its credentials, and BACKUP_KEY"
_MISSING = "see `aegis backup list`, `aegis dlq list`, and the logs of lane backup and of beat"
_LATE_SECONDS = 3600.0


def examine(settings: Settings, store: Callable[[], Vault], *, running: bool) -> Finding:
    """``running``: the stack makes backups, so a late one is reported. Raises what the vault does."""
    none_yet = Finding(PART, "note", f"{settings.backup_address}: none yet", "aegis backup")
    if settings.backup_url is None and not (settings.home / "backups").exists():
        return none_yet
    vault = store()
    _, ms = timed(vault.probe)
    try:
        newest = vault.newest()
    except NotFound:
        return replace(none_yet, ms=ms)
    text = f"{settings.backup_address}: the newest is {duration(time() - newest.began_at)} old"
    schedule = settings.backup_schedule
    late = schedule != NEVER and next_time(schedule, newest.began_at) + _LATE_SECONDS < time()
    if running and late:
        return Finding(PART, "bad", f"{text}, by BACKUP_SCHEDULE there should be another", _MISSING, ms)
    text = f"{text}, {'' if newest.encrypted else 'not '}encrypted"
    if settings.backup_url is None:
        return Finding(PART, "note", text, "set BACKUP_URL: what is in AEGIS_HOME is lost with its disk", ms)
    if settings.backup_key is None:
        return Finding(PART, "note", text, "set BACKUP_KEY, unless nobody else can read what is there", ms)
    return Finding(PART, "ok", text, ms=ms)
