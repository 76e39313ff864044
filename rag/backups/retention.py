"""Decides which backups are kept."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import groupby

from rag.settings import Settings

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Retention:
    """How long backups are kept, in days of 24 hours.

    All are kept for ``hourly_days``, and the last of each day in UTC for ``days``.
    """

    hourly_days: float
    days: float

    @property
    def seconds(self) -> float:
        """How long a backup may exist: its removal may be late by a week."""
        return (max(self.hourly_days, self.days) + 7) * _DAY

    @classmethod
    def of(cls, settings: Settings) -> "Retention":
        return cls(settings.backup_keep_hourly_days, settings.backup_keep_days)

    def kept(
        self,
        backups: Mapping[str, float],
        now: float,
        *,
        protected: Collection[str] = (),
        damaged: Collection[str] = (),
    ) -> frozenset[str]:
        """The ids to keep of ``backups``, which maps ids to the Unix times at which they were finished.

        Beside those that the days ask for, these are kept: the ``protected`` ones, such as those that a
        restore reads; those of the future, since a clock was wrong; and the newest other one that is not
        ``damaged``. The last one of a day is its last undamaged one, or the last if all are damaged.
        """
        past = {backup: at for backup, at in backups.items() if at <= now}
        kept = set(backups.keys() & set(protected)) | (backups.keys() - past.keys())
        kept |= _last(past, damaged)
        kept |= {backup for backup, at in past.items() if now - at <= self.hourly_days * _DAY}
        # Each day in UTC has exactly 86,400 seconds of Unix time.
        for _, of_day in groupby(sorted(past, key=past.__getitem__), lambda backup: past[backup] // _DAY):
            last_of_day = _last({backup: past[backup] for backup in of_day}, damaged)
            kept |= {backup for backup in last_of_day if now - past[backup] <= self.days * _DAY}
        return frozenset(kept)


def _last(backups: Mapping[str, float], damaged: Collection[str]) -> set[str]:
    """The last one that is not damaged, or else the last one."""
    last = max(backups, key=lambda backup: (backup not in damaged, backups[backup], backup), default=None)
    return set() if last is None else {last}
