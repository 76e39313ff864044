"""What a question pins down: words that name some of the documents found, and not the others."""

import pytest

from rag.model import Passage
from workers.reranking.pins import pinned_shares


def passage(document: str, title: str = "", **about: object) -> Passage:
    return Passage(document, document, 1, 0, "Net sales rose.", title, 0, 15, **about)  # type: ignore[arg-type]


def test_words_of_some_titles_count_by_their_share_and_words_of_all_not() -> None:
    found = [passage("a", "Report Q3 2022"), passage("b", "Report Q3 2023"), passage("c", "Report Q1 2023")]
    assert pinned_shares("What does the report for Q3 2023 say?", found, ()) == [0.5, 1.0, 0.5]


def test_a_question_that_names_no_document_pins_nothing() -> None:
    found = [passage("a", "Report 2022"), passage("b", "Report 2023")]
    assert pinned_shares("How did sales change?", found, ()) == [0.0, 0.0]
    assert pinned_shares("The report?", found, ()) == [0.0, 0.0]


def test_one_document_alone_is_not_told_apart() -> None:
    assert pinned_shares("Report 2023?", [passage("a", "Report 2023"), passage("a", "Report 2023")], ()) == [
        0,
        0,
    ]
    assert pinned_shares("Report 2023?", [], ()) == []


def test_the_files_name_and_named_metadata_pin_as_titles_do() -> None:
    found = [
        passage("a", "Leaflet", searched_title="aq-100"),
        passage("b", "Leaflet", metadata={"product": "AQ-200", "shelf": "100"}),
    ]
    assert pinned_shares("Is the AQ-100 waterproof?", found, ("product",)) == [1.0, 0.0]
    assert pinned_shares("Is model 200 waterproof?", found, ("product",)) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("titles", "newest"),
    [
        (("2022 Q3 sales", "2023 Q1 sales", "2022 Q4 sales"), [0.0, 1.0, 0.0]),
        (("Sales, Q3 2023", "Sales, Q1 2023", "Sales, Q4 2022"), [1.0, 0.0, 0.0]),
        (("minutes 2026-03-02", "minutes 2026-03-11", "minutes"), [0.0, 1.0, 0.0]),
        (("Handbook A", "Handbook B", "Handbook C"), [0.0, 0.0, 0.0]),
        (("Sales 2023", "Costs 2023", "Profits 2023"), [0.0, 0.0, 0.0]),
    ],
)
def test_the_newest_is_the_document_whose_name_has_the_newest_period(
    titles: tuple[str, ...], newest: list[float]
) -> None:
    found = [passage(title, title) for title in titles]
    assert pinned_shares("What was said of it in the latest one?", found, ()) == newest
    assert pinned_shares("Was wurde zuletzt im neuesten gesagt?", found, ()) == newest
    assert pinned_shares("What was said of it?", found, ()) == [0.0] * 3
