"""``Retry-After`` in both of its forms, from servers that keep to the standard and from others."""

import pytest

from rag.web.retry_after import seconds_to_wait

NOON = "Mon, 30 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [("7", 7.0), (" 120 ", 120.0), ("0", 0.0), ("Mon, 30 Nov 2026 12:01:30 GMT", 90.0), (NOON, 0.0)],
)
def test_a_number_and_a_date_are_seconds_from_now(stated: str, seconds: float) -> None:
    assert seconds_to_wait({"retry-after": stated, "date": NOON}) == seconds


def test_a_moment_that_is_past_means_now() -> None:
    assert seconds_to_wait({"retry-after": "Mon, 30 Nov 2020 12:00:00 GMT", "date": NOON}) == 0.0


def test_without_the_servers_clock_ours_is_taken() -> None:
    assert seconds_to_wait({"retry-after": "Mon, 30 Nov 2020 12:00:00 GMT", "date": "noon"}) == 0.0


def test_a_number_without_end_is_read_in_part() -> None:
    assert seconds_to_wait({"retry-after": "9" * 5_000}) == 9_999_999_999.0


@pytest.mark.parametrize(
    "stated", ["", "soon", "-1", "1.5", "²", "Mon, 99 Nov 2026", "Mon, 30 Nov 9" + "9" * 40]
)
def test_what_cannot_be_read_says_nothing(stated: str) -> None:
    assert seconds_to_wait({"retry-after": stated}) is None
    assert seconds_to_wait({}) is None
