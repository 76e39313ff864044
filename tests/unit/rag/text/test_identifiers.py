import time

import pytest

from rag.text.identifiers import identifiers, named_in
from rag.text.normalising import folded
from rag.text.words import runs


def forms(text: str) -> set[str]:
    plain = folded(text)
    return {form for each in named_in(plain, runs(plain)) for form in each.forms}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("release 3.6.4 is out", "3.6.4"),
        ("v2.10.0", "2.10.0"),
        ("AB-1234/5", "ab1234/5"),
        ("E4711", "e4711"),
        ("E01.06", "e01.06"),
        ("the host 10.20.30.40", "10.20.30.40"),
        ("set max_connections", "max_connections"),
        ("call os.path.join", "os.path.join"),
        ("the U.S. plant", "US"),
        ("版本3.6.4的", "3.6.4"),
        ("٢٠٢٤", "2024"),
        ("in 2019-2020", "2020"),
        ("21:30", "21:30"),
    ],
)
def test_an_identifier_has_its_whole_as_a_form(text: str, form: str) -> None:
    assert form in forms(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("16,411", "16411"),
        ("16.411", "16411"),
        ("16\u202f411", "16411"),
        ("1,234,567.50", "1.234.567,50"),
        ("3,5", "3.5"),
        ("X-200", "x200"),
        ("version v3.6.4", "version 3.6.4"),
        ("on 5 March 2024", "2024-03-05"),
        ("on March 5, 2024", "05.03.2024"),
        ("on the 5th of March 2024", "5/3/2024"),
        ("am 5. März 2024", "2024-3-5"),
        ("el 5 de marzo de 2024", "5 mars 2024"),
        ("in March 2024", "im März 2024"),
    ],
)
def test_two_ways_to_write_the_same_meet(one: str, other: str) -> None:
    assert forms(one) & forms(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3.6.4", "3.6.5"),
        ("3.6.4", "3.4.6"),
        ("16,411", "16,412"),
        ("AB-1234/5", "AB-1234/6"),
        ("5 March 2024", "5 May 2024"),
        ("05.03.2024", "03.05.2024"),
    ],
)
def test_different_identifiers_do_not_meet(one: str, other: str) -> None:
    assert not forms(one) & forms(other)


def test_words_are_no_identifiers() -> None:
    assert forms("a state-of-the-art pump, i.e. a good one. You may go on the 1st floor") == {"ie"}


def test_a_version_belongs_to_its_series_and_a_day_to_its_month() -> None:
    (version,) = identifiers("3.6.4")
    assert version.wider == ("3.6",)
    (day,) = identifiers("2024-03-05")
    assert "2024-03" in day.wider


@pytest.mark.parametrize(
    "text", ["1." * 200_000, "a-" * 200_000, "1,234" * 100_000, "5 may " * 50_000, "_" * 400_000]
)
def test_a_hostile_text_takes_no_time(text: str) -> None:
    begun = time.process_time()
    forms(text)
    assert time.process_time() - begun < 3
