"""Running heads, feet and page numbers of PDFs go; they are told by their repetition."""

import pytest

from rag.parsing.running_heads import without_running_heads
from rag.parsing.structure import from_pages

BODY = "The crane lifts five tonnes.\n\nIt is tested once a year."


def pages(*contents: str) -> list[tuple[int, str]]:
    return list(enumerate(contents, 1))


def bodies(contents: list[tuple[int, str]]) -> list[str]:
    return [content.strip() for _, content in contents]


def test_heads_and_feet_that_repeat_go():
    written = pages(*(f"**Harbour handbook**\n\n{BODY} {n}\n\nEdition 4 | {n + 6}" for n in range(1, 6)))

    assert bodies(without_running_heads(written)) == [f"{BODY} {n}" for n in range(1, 6)]


def test_a_name_with_a_stop_is_no_sentence_and_its_foot_goes():
    written = pages(*(f"{BODY} {n}\n\nHarbour Inc. | Q1 2023 Form 7-B | {n + 6}" for n in range(1, 6)))

    assert bodies(without_running_heads(written)) == [f"{BODY} {n}" for n in range(1, 6)]


def test_left_and_right_pages_have_heads_of_their_own():
    written = pages(*(f"{('Cranes', 'Handbook')[n % 2]}\n{BODY} {n}" for n in range(8)))

    assert bodies(without_running_heads(written)) == [f"{BODY} {n}" for n in range(8)]


@pytest.mark.parametrize(
    "foot", ["Page {} of 2", "Seite {} von 2", "- {} -", "{}", "{} / 2", "página {} de 2"]
)
def test_the_number_of_a_page_goes_from_two_pages(foot):
    written = pages(*(f"{BODY}\n\n{foot.format(n)}" for n in (1, 2)))

    assert bodies(without_running_heads(written)) == [BODY, BODY]


@pytest.mark.parametrize(
    "contents",
    [
        [f"# Summary\n\n{BODY}"] * 2,
        [f"{BODY}\n\nthe result is entered into the crane book"] * 4,
        [f"{BODY}\n\nIt is signed by the leader of the shift."] * 4,
        [f"| Name | Room |\n| --- | --- |\n| Ada | {n} |" for n in range(4)],
        [f"Name Room Badge\nAda {n}.100 B{n}\nBo {n}.101 B{n}7" for n in range(4)],
        [f"{BODY}\n\nTotal {n * n + 40}" for n in range(5)],
        [f"{BODY}\n\nPage 7 of the log"] * 2,
    ],
)
def test_what_is_no_running_head_stays(contents):
    assert without_running_heads(pages(*contents)) == pages(*contents)


def test_a_heading_stays_where_it_stands_first():
    written = pages(*(f"# Handbook\n\n{BODY} {n}" for n in range(4)))

    assert bodies(without_running_heads(written)) == [
        f"# Handbook\n\n{BODY} 0",
        *(f"{BODY} {n}" for n in range(1, 4)),
    ]


def test_a_sentence_that_runs_over_a_page_is_one_and_pages_stay_exact():
    document = from_pages(pages("It lifts\nfive", "tonnes. Then it rests.", "New page."), flowing=True)

    assert document.text == "It lifts\nfive\ntonnes. Then it rests.\n\nNew page."
    assert [document.text[page.start : page.end] for page in document.pages] == [
        *("It lifts\nfive\n", "tonnes. Then it rests.\n\n", "New page."),
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("It lifts five.", "tonnes"),
        ("It lifts", "Tonnes are heavy."),
        ("# Cranes", "lift five tonnes"),
        ("It says:", "a) first"),
        ("It says", "(b) second"),
        ("| Name | Room |\n|---|---|\n| Ada | Blue |", "lift five tonnes"),
        ("It lifts", "| n | m |\n|---|---|\n| a | b |"),
    ],
)
def test_what_does_not_go_on_is_parted(first, second):
    document = from_pages(pages(first, second), flowing=True)

    assert document.text[: document.pages[0].end].endswith("\n\n")


def test_slides_are_parted():
    assert from_pages(pages("Cranes", "lift")).text == "Cranes\n\nlift"
