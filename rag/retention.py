"""Which backups are kept."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from rag.settings import Settings

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Retention:
    """How long, in days of 24 hours before the moment of the question.

    ``hourly_days``: for which all are kept. ``days``: for which the last of each day in UTC is.
    """

    hourly_days: float
    days: float

    @property
    def seconds(self) -> float:
        """From its making to its removal, which may wait for a week."""
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
        """Of ``backups``, ids with the times at which they were finished (Unix seconds), those to keep.

        Beside what the days ask for: those that are ``protected``, such as by a restore; those of the
        future, since a clock was wrong; and the newest of all others that is not ``damaged``. Of a
        day's it is the last undamaged one that is kept, or the last if none is whole.
        """
        past = {backup: at for backup, at in backups.items() if at <= now}
        young = {backup for backup, at in past.items() if now - at <= self.hourly_days * _DAY}
        daily = {backup for backup in _last_of_days(past, damaged) if now - past[backup] <= self.days * _DAY}
        future = backups.keys() - past.keys()
        return frozenset(young | daily | future | _last(past, damaged) | (backups.keys() & set(protected)))


def _last_of_days(backups: Mapping[str, float], damaged: Collection[str]) -> set[str]:
    by_day = groupby(sorted(backups, key=backups.__getitem__), lambda backup: _day(backups[backup]))
    return set().union(*(_last({id_: backups[id_] for id_ in of_day}, damaged) for _, of_day in by_day))


def _last(backups: Mapping[str, float], damaged: Collection[str]) -> set[str]:
    """The last one that is not damaged, or the last; nothing of nothing."""
    last = max(backups, key=lambda backup: (backup not in damaged, backups[backup], backup), default=None)
    return set() if last is None else {last}


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
