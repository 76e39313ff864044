"""Schedules as crontab(5) writes them."""

from datetime import UTC, datetime

import pytest

from rag.settings.cron import next_time, validate
from rag.settings.texts import NEVER

FRIDAY = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def test_never_and_what_celery_reads_is_a_schedule() -> None:
    for text in (NEVER, "7 * * * *", "*/15 0-6 * * mon-fri", "0 4 1,15 * *", "0 0 29 2 *"):
        assert validate(text) == text


@pytest.mark.parametrize(
    "text", ["", "hourly", "* * * *", "60 * * * *", "*/0 * * * *", "0 0 30 2 *", "7,, * * * *"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"no schedule: .* such as '7 \* \* \* \*'"):
        validate(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7 * * * *", datetime(2026, 11, 20, 8, 7, tzinfo=UTC)),
        ("0 * * * *", datetime(2026, 11, 20, 9, 0, tzinfo=UTC)),  # the present minute is over
        ("23 3 * * *", datetime(2026, 11, 21, 3, 23, tzinfo=UTC)),
        ("41 4 * * 0", datetime(2026, 11, 22, 4, 41, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
    ],
)
def test_the_next_time_is_the_first_one_after(text: str, expected: datetime) -> None:
    assert next_time(text, FRIDAY.timestamp()) == expected.timestamp()
