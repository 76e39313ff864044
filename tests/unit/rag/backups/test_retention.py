"""Which backups are kept: by their age, by the day, and whatever is in use."""

from datetime import UTC, datetime, timedelta

import pytest

from rag.backups.retention import Retention

NOON = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
NOW = NOON.timestamp()
RULE = Retention(hourly_days=2, days=30)


def backups(*moments: datetime) -> dict[str, float]:
    return {f"{moment:%m-%d %H:%M}": moment.timestamp() for moment in moments}


def hourly(days: int) -> dict[str, float]:
    """Seven minutes past each hour, from ``days`` before noon on."""
    first = NOON - timedelta(days=days, minutes=-7)
    return backups(*(first + timedelta(hours=hour) for hour in range(24 * days)))


def test_of_sixty_days_of_hourly_backups_two_days_are_kept_whole_and_thirty_by_their_last() -> None:
    made = hourly(60)

    kept = RULE.kept(made, NOW)

    young = {backup for backup, at in made.items() if NOW - at <= 2 * 86_400}
    daily = {f"{NOON - timedelta(days=days):%m-%d} 23:07" for days in range(1, 31)}
    assert len(young) == 48
    assert kept == young | daily


def test_keeping_what_is_kept_changes_nothing() -> None:
    kept = RULE.kept(hourly(60), NOW)

    assert RULE.kept({backup: at for backup, at in hourly(60).items() if backup in kept}, NOW) == kept


def test_a_day_ends_at_midnight_in_utc() -> None:
    made = backups(
        datetime(2026, 3, 20, 23, 59, tzinfo=UTC),
        datetime(2026, 3, 21, 0, 1, tzinfo=UTC),
        datetime(2026, 3, 21, 0, 2, tzinfo=UTC),
    )

    assert RULE.kept(made, NOW) == {"03-20 23:59", "03-21 00:02"}


def test_nothing_is_kept_of_nothing() -> None:
    assert RULE.kept({}, NOW) == frozenset()


def test_the_newest_stays_however_old_all_are() -> None:
    made = backups(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC))

    assert RULE.kept(made, NOW) == {"01-02 00:00"}
    assert Retention(hourly_days=0, days=0).kept(made, NOW) == {"01-02 00:00"}


def test_the_newest_that_is_whole_stays_too() -> None:
    made = backups(*(datetime(2025, 1, day, tzinfo=UTC) for day in (1, 2, 3)))

    assert RULE.kept(made, NOW, damaged={"01-03 00:00"}) == {"01-02 00:00"}
    assert RULE.kept(made, NOW, damaged=made) == {"01-03 00:00"}


def test_of_a_day_the_last_whole_one_is_kept() -> None:
    made = backups(*(datetime(2026, 3, 20, hour, tzinfo=UTC) for hour in (1, 2, 3)), NOON)

    assert RULE.kept(made, NOW, damaged={"03-20 03:00"}) == {"03-20 02:00", "03-31 12:00"}


@pytest.mark.parametrize("protected", ["03-01 00:07", "02-01 00:07"])
def test_one_under_restore_stays(protected: str) -> None:
    made = hourly(59)

    assert RULE.kept(made, NOW, protected={protected, "gone"}) == RULE.kept(made, NOW) | {protected}


def test_after_a_clock_was_put_back_what_it_made_before_stays_and_hides_nothing() -> None:
    ahead = backups(datetime(2027, 1, 1, tzinfo=UTC))
    old = backups(datetime(2025, 1, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, 2, tzinfo=UTC))

    assert RULE.kept(ahead | old, NOW) == {*ahead, "01-01 02:00"}


def test_the_limits_are_of_the_days_that_are_told() -> None:
    made = backups(NOON - timedelta(hours=24), NOON - timedelta(hours=24, seconds=1), NOON)
    day = Retention(hourly_days=1, days=0)

    assert day.kept(made, NOW) == {"03-30 12:00", "03-31 12:00"}
