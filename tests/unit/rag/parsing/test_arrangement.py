"""Recognised lines in the order in which people read them."""

from math import cos, radians, sin
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.model import TextLine
from rag.parsing.arrangement import text_of

HIGH = 20


def line(x: float, y: float, text: str, *, width: float | None = None, height: float = HIGH) -> TextLine:
    right, bottom = x + (10 * len(text) if width is None else width), y + height
    return TextLine(((x, y), (right, y), (right, bottom), (x, bottom)), text, 0.9)


def turned(one: TextLine, degrees: float) -> TextLine:
    across, down = cos(radians(degrees)), sin(radians(degrees))
    return TextLine(
        tuple((x * across - y * down, x * down + y * across) for x, y in one.corners),
        one.text,
        one.confidence,
    )


def column(x: float, name: str, lines: int, top: float = 100) -> list[TextLine]:
    return [line(x, top + 30 * n, f"{name} {n} of some length here") for n in range(lines)]


def test_lines_are_a_paragraph_until_a_gap():
    lines = [line(0, 0, "one"), line(0, 30, "two"), line(0, 100, "three")]

    assert text_of(lines[::-1]) == "one\ntwo\n\nthree"


def test_pieces_of_a_line_are_joined_from_left_to_right():
    assert text_of([line(300, 2, "noon."), line(0, 0, "The bell rings at")]) == "The bell rings at noon."


@pytest.mark.parametrize("count", [2, 3])
def test_columns_are_read_one_after_the_other_below_a_title(count):
    columns = [column(400 * n, "abc"[n], 5) for n in range(count)]
    title = line(
        100, 20, "A title over all of the columns of this page of the paper", width=400 * count - 200
    )

    lines = [title, *(each for one in columns for each in one)]

    found = text_of(lines).split()
    assert [word for word in found if word in set("abc")] == [
        name for name in "abc"[:count] for _ in range(5)
    ]
    assert found[:3] == ["A", "title", "over"]


def test_columns_of_a_turned_page_too():
    lines = [turned(each, 2) for each in column(0, "a", 8) + column(400, "b", 8)]

    assert [word for word in text_of(lines).split() if word in set("ab")] == ["a"] * 8 + ["b"] * 8


def test_rows_of_cells_are_a_table_with_their_empty_ones():
    lines = [
        line(0, 0, "Berth"), line(200, 0, "Length"), line(400, 0, "Depth"),
        line(0, 40, "North"), line(400, 40, "8.5 m"),
        line(0, 80, "South"), line(200, 80, "95 m"), line(400, 80, "6 | 7 m"),
    ]  # fmt: skip

    assert text_of(lines).splitlines() == [
        "| Berth | Length | Depth |",
        "| --- | --- | --- |",
        "| North |  | 8.5 m |",
        "| South | 95 m | 6 / 7 m |",
    ]


def test_labels_within_a_table_are_rows_and_heads_over_columns_are_in_each():
    lines = [
        line(200, 0, "Three months", width=180), line(500, 0, "Nine months", width=180),
        line(200, 30, "2022"), line(300, 30, "2021"), line(500, 30, "2022"), line(600, 30, "2021"),
        line(0, 60, "Net sales:"),
        line(0, 90, "Products"), line(180, 90, "$"), line(200, 90, "63"), line(280, 90, "$"),
        line(300, 90, "64"), line(500, 90, "245"), line(600, 90, "232"),
        line(0, 120, "Services"), line(200, 120, "19"), line(300, 120, "17"), line(500, 120, "58"),
        line(600, 120, "50"),
    ]  # fmt: skip

    assert text_of(lines).splitlines() == [
        "|  | Three months 2022 | Three months 2021 | Nine months 2022 | Nine months 2021 |",
        "| --- | --- | --- | --- | --- |",
        "| Net sales: |  |  |  |  |",
        "| Products | $ 63 | $ 64 | 245 | 232 |",
        "| Services | 19 | 17 | 58 | 50 |",
    ]


def test_a_page_of_thousands_of_lines_takes_no_time_to_speak_of():
    lines = [line(70 * (n % 30), 25 * (n // 30), f"w{n}") for n in range(3_000)]

    began = monotonic()
    text_of(lines)

    assert monotonic() - began < 5


def test_a_large_line_alone_is_a_heading():
    lines = [line(0, 0, "Harbour", height=40), *(line(0, 60 + 30 * n, f"line {n}") for n in range(3))]

    assert text_of(lines) == "## Harbour\n\nline 0\nline 1\nline 2"


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999), st.integers(1, 40)), max_size=40))
def test_no_line_is_lost(places):
    lines = [line(x, y, f"w{n}x", height=height) for n, (x, y, height) in enumerate(places)]

    words = text_of(lines).replace("|", " ").replace("#", " ").replace("-", " ").split()

    assert set(words) == {each.text for each in lines}
