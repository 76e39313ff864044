"""A passage's context says where it stands; it is bounded, and says nothing twice."""

from dataclasses import replace

import pytest

from rag.model import Passage
from rag.text.context import MAX_CONTEXT, MAX_LINE, context_of, names_of, searched_text, text_in_context
from rag.text.scripts import latin_share

PASSAGE = Passage(
    "c", "d", 1, 0, "It must not be used outdoors.", "Pumps", 0, 29,
    headings=("Pumps", "Safety"), metadata={"product": "AQ-100", "years": [2024, 2025], "stock": {"x": 1}},
    searched_title="aq-100 leaflet",
)  # fmt: skip


def test_context_is_titles_named_metadata_and_headings_each_once() -> None:
    assert context_of(PASSAGE) == ("Pumps", "aq-100 leaflet", "Safety")
    assert context_of(PASSAGE, ("product", "years", "stock", "none")) == (
        "Pumps", "aq-100 leaflet", "product: AQ-100", "years: 2024, 2025", "Safety",
    )  # fmt: skip


def test_what_stands_at_the_beginning_of_the_text_is_not_said_again() -> None:
    passage = replace(PASSAGE, text="## Safety\n\nNot outdoors.")
    assert text_in_context(passage) == "Pumps\naq-100 leaflet\n## Safety\n\nNot outdoors."


def test_a_title_that_is_the_texts_own_beginning_names_nothing() -> None:
    passage = replace(PASSAGE, text="It  must not be used outdoors.", title="It must not", searched_title="")
    assert "".join(names_of(passage)) == ""


def test_the_lexical_search_counts_no_title_that_the_text_states() -> None:
    assert searched_text(PASSAGE, ("product",)).splitlines() == [
        "aq-100 leaflet", "Pumps", "Safety", "product: AQ-100", "It must not be used outdoors.",
    ]  # fmt: skip


def test_long_context_loses_its_outer_headings_first() -> None:
    headings = tuple(f"{n} " + "x" * 200 for n in range(6))
    lines = context_of(replace(PASSAGE, title="T" * 500, headings=headings))
    assert sum(map(len, lines)) <= MAX_CONTEXT
    assert max(map(len, lines)) <= MAX_LINE
    assert lines[0].startswith("T")
    assert lines[-1].startswith("5")


@pytest.mark.parametrize(
    ("text", "share"),
    [("Straße, naïve, Ç", 1.0), ("Гавань", 0.0), ("123 …", 1.0), ("港 is a harbour", 0.9), ("", 1.0)],
)
def test_the_share_of_latin_letters(text: str, share: float) -> None:
    assert latin_share(text) == pytest.approx(share, abs=0.05)
