"""Lines of scripts that the model does not know: they are not taken for Latin ones that look alike."""

import pytest

from rag.model import TextLine
from workers.recognition.scripts import has_unknown_letters, without_doubtful


def line(text: str, confidence: float, long: float = 500.0) -> TextLine:
    return TextLine(((0.0, 0.0), (long, 0.0), (long, 20.0), (0.0, 20.0)), text, confidence)


@pytest.mark.parametrize(
    "text",
    [
        "αντλα αρι ετ στατησε τη Δευτα τ ρω.",
        "H ANTΛIA APIOMOΣ E∩TA ΣTAMATHΣE. YΠEYOYNOΣ ΓIA",
    ],
)
def test_greek_is_not_read_since_its_accents_are_unknown(text):
    assert has_unknown_letters(text)


@pytest.mark.parametrize(
    "text",
    [
        "The pump is at 40 µm, ΔTmax 12 K, Ω 3.",
        "Größe: Übergröße, žluťoučký, Śliwa",
        "七号泵于星期一早上停机 PN16",
        "α = 0.05",
        "7731-K",
        "",
    ],
)
def test_latin_and_chinese_are_read_with_single_greek_letters(text):
    assert not has_unknown_letters(text)


def test_where_half_a_page_cannot_be_read_doubtful_lines_are_not_either():
    page = [line("HACOC HOMEP CEM", 0.96), line("", 0.94), line("Invoice 4417", 0.99, long=200.0)]

    assert [each.text for each in without_doubtful(page)] == ["", "", "Invoice 4417"]


@pytest.mark.parametrize("unread", [line("", 0.9, long=300.0), line("", 0.9, long=30.0)])
def test_a_line_more_or_a_mark_that_cannot_be_read_spoils_no_page(unread):
    page = [line("Vessels need a pilot", 0.9), line("from buoy 7", 0.95), unread]

    assert without_doubtful(page) == page


def test_a_blank_page_has_no_lines():
    assert without_doubtful([]) == []
