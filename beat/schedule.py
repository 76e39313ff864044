"""The schedule's entries. Beat only sends messages; the maintenance lane does the work."""

from dataclasses import dataclass

from rag.settings import Settings
from rag.settings.cron import next_time
from rag.settings.texts import NEVER

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """``every``: seconds from one run to the next, or a schedule of :mod:`rag.settings.cron`.

    The first run is at once, or at the first time of the schedule. ``promised``: a run is sent again
    until its task has recorded that it is done; the task gets the entry's name and the run's id.
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
    """Every entry; those about backups at the times of the settings."""
    # `make_up` comes second, so that it finds nothing late when both are due
    late = HOUR if settings.backup_schedule != NEVER else NEVER
    backups = (
        ("make a backup", settings.backup_schedule, "back_up"),
        ("make a backup that is late", late, "make_up"),
        ("make a full backup", settings.full_backup_schedule, "back_up_fully"),
        ("remove old backups", settings.backup_prune_schedule, "remove_old"),
        ("verify the newest backup", settings.backup_verify_schedule, "verify"),
        ("rehearse a restore", settings.backup_rehearse_schedule, "rehearse"),
    )
    return (
        *UPKEEP,
        *(
            Entry(name, every, f"aegis.maintenance.backups.{task}", promised=True)
            for name, every, task in backups
            if every != NEVER
        ),
    )
