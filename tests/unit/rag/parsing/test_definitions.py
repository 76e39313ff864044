"""A page's definition lists: a passage from the middle of a description still knows its term."""

import pytest

from rag.parsing.webpage import from_html
from rag.text.chunking import TokenChunker


def told(page: str) -> list[tuple[str, str]]:
    """Each term with its description, in the order in which the descriptions end."""
    document = from_html(page)
    return [(one.term, document.text[one.start : one.end]) for one in document.definitions]


def test_terms_are_plain_words_and_descriptions_are_whole() -> None:
    page = "<dl><dt><code>-v</code>, <em>verbose</em></dt><dd>Says more.<p>Twice: all.</dd></dl><p>After."
    assert told(page) == [("-v, verbose", "Says more.\n\nTwice: all.")]
    assert from_html(page).text == "`-v`, *verbose*\n\nSays more.\n\nTwice: all.\n\nAfter."


def test_terms_share_a_description_and_descriptions_a_term() -> None:
    assert told("<dl><dt>a<dt>b<dd>one<dd>two<dt>c<dd>three</dl>") == [
        ("a / b", "one"),
        ("a / b", "two"),
        ("c", "three"),
    ]


def test_lists_lie_within_one_another() -> None:
    page = "<dl><dt>outer<dd>first<dl><dt>inner<dd>deep</dl><p>last</dd><dt>next<dd>other</dl>"
    assert told(page) == [("inner", "deep"), ("outer", "first\n\ninner\n\ndeep\n\nlast"), ("next", "other")]


def test_headings_in_a_list_stay_headings() -> None:
    document = from_html("<dl><dt><h3>Options</h3></dt><dd><h4>Short</h4>Text.</dd></dl><h2>End</h2>")
    assert [(heading.text, heading.level) for heading in document.headings] == [
        ("Options", 3), ("Short", 4), ("End", 2),
    ]  # fmt: skip
    assert all(document.text.startswith("#" * one.level, one.start) for one in document.headings)


def test_a_list_in_a_cell_leaves_the_table_whole() -> None:
    document = from_html(
        "<table><tr><th>k<th>v<tr><td><dl><dt>a<dd>b</dl><td>x<tr><td>c<td>d</table><dl><dt>t<dd>u</dl>"
    )
    assert "v: x" in document.text
    assert document.tables[0].start == 0
    assert document.text.startswith("k: c", document.tables[0].last)


@pytest.mark.parametrize(
    "page",
    [
        "&#xE000;&#xE003;&#xE001; a &#xE002; b <dl><dt>t&#xE001;x<dd>&#xE003;y</dl>",
        "<dl><dd>no term</dd><dt>no description</dt></dl>",
        "<dl><dt></dt><dd></dd></dl>text",
    ],
)
def test_marks_of_a_pages_own_and_unfinished_lists_leave_no_mark(page: str) -> None:
    document = from_html(page)
    assert not any("\ue000" <= character <= "\ue003" for character in document.text)
    assert all(0 <= one.start <= one.end <= len(document.text) for one in document.definitions)


def test_a_passage_from_the_middle_of_a_description_has_its_terms_among_its_headings() -> None:
    # given a description of several passages, a list within it, and text after it
    words = "word " * 30
    inner = f"<dl><dt>date.today()<dd><p>{words}<p>{words}</dl>"
    whole = f"<p>{words}<p>{words}{inner}<p>{words}"
    page = f"<h1>datetime</h1><dl><dt>class date<dd>{whole}</dd></dl><p>After {words}"
    # when it is cut
    chunks = TokenChunker(lambda text: len(text.split()), 40).chunk(from_html(page))
    # then each passage has the terms that it is about, and not those that are over
    paths = [
        chunk.headings[1:] for chunk in chunks if not chunk.text.startswith(("class", "#", "date.today"))
    ]
    assert ("class date",) in paths
    assert ("class date", "date.today()") in paths
    assert chunks[-1].text.startswith("After")
    assert chunks[-1].headings == ("datetime",)
