"""What every parser promises, whatever the format: text, title, headings and pages by offset."""

from collections.abc import Iterator

import pytest

from rag import media
from rag.errors import EmptyDocument
from rag.model import ParsedDocument
from rag.parsing.parser import IsolatedParser
from rag.ports import Parser
from rag.settings import Settings
from tests.documents import HEADINGS, MAKERS, OTHER_ALPHABETS, SENTENCES, TABLE, TITLE

WITHOUT_HEADINGS = {media.TEXT, media.CSV, media.JSON, media.JSONL, media.EML}
WITHOUT_TITLE = {media.TEXT, media.CSV, media.JSONL}
PAGED = {media.PDF, media.PPTX}


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with IsolatedParser(Settings()) as isolated_parser:
        yield isolated_parser


@pytest.fixture(scope="module", params=sorted(MAKERS), ids=lambda kind: media.READABLE[kind][0])
def media_type(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def document(parser: Parser, media_type: str) -> ParsedDocument:
    return parser.parse(MAKERS[media_type](), media_type, "handbook")


def test_every_sentence_is_in_the_text(document, media_type):
    sentences = set(SENTENCES)
    if media_type != media.PDF:  # its one font is Latin-1
        sentences.add(OTHER_ALPHABETS)
    if media_type == media.RTF:  # characters beyond the basic plane are lost there
        sentences = {sentence.replace("🚢 ", "") for sentence in sentences}
    assert [sentence for sentence in sentences if sentence not in document.text] == []


def test_every_cell_of_the_table_is_in_the_text_in_order(document):
    if document.text.count(TABLE[1][0]) != 1:
        pytest.fail("the table is there twice or not at all")
    table = document.text[document.text.index(TABLE[1][0]) :]
    positions = [table.index(cell) for row in TABLE[1:] for cell in row]
    assert positions == sorted(positions)


def test_title_is_found(document, media_type):
    assert document.title == (None if media_type in WITHOUT_TITLE else TITLE)


def test_headings_are_found_in_order_with_their_offsets(document, media_type):
    found = [heading for heading in document.headings if heading.text != TITLE]
    assert [heading.text for heading in found] == ([] if media_type in WITHOUT_HEADINGS else list(HEADINGS))
    for heading in document.headings:
        assert document.text[heading.start :].lstrip("# ").startswith(heading.text)
        assert heading.level >= 1


def test_sentences_follow_their_heading(document, media_type):
    if media_type in WITHOUT_HEADINGS:
        assert document.headings == ()
        return
    starts = [heading.start for heading in document.headings if heading.text in HEADINGS]
    first, second = (document.text.index(sentence) for sentence in SENTENCES)
    assert starts[0] < first < starts[1] < second


def test_pages_cover_the_text_without_gaps(document, media_type):
    if media_type not in PAGED:
        assert document.pages == ()
        return
    first, second = document.pages
    assert (first.number, second.number) == (1, 2)
    assert (first.start, first.end, second.end) == (0, second.start, len(document.text))
    assert SENTENCES[0] in document.text[first.start : first.end]
    assert SENTENCES[1] in document.text[second.start : second.end]


def test_text_is_clean(document):
    assert not set("\r\x00\ufeff\xa0") & set(document.text)
    assert "\n\n\n" not in document.text
    assert document.text == document.text.strip("\n")
    document.text.encode()


def test_markup_that_is_not_content_is_left_out(document):
    assert not [
        word for word in ("<p>", "never shown", "color: red", "w:p", "\\par") if word in document.text
    ]


def test_the_same_bytes_give_the_same_document(parser, document, media_type):
    assert parser.parse(MAKERS[media_type](), media_type, "handbook") == document


def test_an_empty_file_is_an_empty_document(parser, media_type):
    with pytest.raises(EmptyDocument, match="empty"):
        parser.parse(b"", media_type, "nothing")
