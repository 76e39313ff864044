"""What happens when, by name. Beat only sends; the maintenance lane does the work."""

from collections.abc import Iterator
from dataclasses import dataclass

from rag.cron import NEVER, next_time
from rag.settings import Settings

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """``every``: seconds from one run to the next, or a schedule of :mod:`rag.cron`.

    What has never run does so at once, or at the first time of its schedule. ``promised``: a run is
    sent again until its task has said that it is done, and gets the entry's name and the run's id.
    """

    name: str
    every: float | str
    task: str
    promised: bool = False

    def due_after(self, last: float) -> float:
        """When the run after the one at ``last`` is due; both in Unix seconds."""
        return last + self.every if isinstance(self.every, float) else next_time(self.every, last)


UPKEEP = (
    Entry("end what is late, remove what failed jobs left", 15.0, "aegis.maintenance.sweep"),
    Entry("make room in the broker", 15.0, "aegis.maintenance.make_room"),
    Entry("forget jobs that ended long ago", 60.0, "aegis.maintenance.prune"),
    Entry("end layouts that nobody goes back to", 60.0, "aegis.maintenance.layouts"),
)


def schedule_of(settings: Settings) -> tuple[Entry, ...]:
    """Every entry; those about backups as the settings have them."""
    return (*UPKEEP, *_backups(settings))


def _backups(settings: Settings) -> Iterator[Entry]:
    """The backup goes first, so that what is late is made by it where both are due."""
    if settings.backup_schedule != NEVER:
        yield _promised("make a backup", settings.backup_schedule, "back_up")
        yield _promised("make a backup that is late", HOUR, "make_up")
    if settings.backup_prune_schedule != NEVER:
        yield _promised("remove old backups", settings.backup_prune_schedule, "remove_old")
    if settings.backup_verify_schedule != NEVER:
        yield _promised("verify the newest backup", settings.backup_verify_schedule, "verify")
    if settings.backup_rehearse_schedule != NEVER:
        yield _promised("rehearse a restore", settings.backup_rehearse_schedule, "rehearse")


def _promised(name: str, every: float | str, task: str) -> Entry:
    return Entry(name, every, f"aegis.maintenance.backups.{task}", promised=True)
