"""Documents are cut where they are read: in a process that has limits, and can be ended."""

import time
from collections.abc import Iterator

import pytest

from rag import media
from rag.errors import DocumentTooLarge, TimedOut
from rag.parsing.parser import IsolatedParser
from rag.settings import Settings
from tests.documents import MAKERS, SENTENCES
from workers.cutting import chunker


@pytest.fixture(scope="module")
def cutting() -> Iterator[IsolatedParser]:
    with IsolatedParser(Settings(), "workers.cutting") as one:
        yield one


@pytest.mark.parametrize("media_type", sorted(MAKERS), ids=lambda kind: media.READABLE[kind][0])
def test_passages_are_those_that_the_chunker_makes(cutting: IsolatedParser, media_type: str) -> None:
    document = cutting.cut(MAKERS[media_type](), media_type, "handbook")

    assert document.chunks == tuple(chunker(Settings().chunk_tokens).chunk(document.parsed))
    assert any(SENTENCES[0] in one.text for one in document.chunks)


@pytest.mark.parametrize(
    "text",
    [
        "|-" * 50_000,
        "a\n" + "-|" * 50_000,
        "words" + " " * 4_000_000 + "and words",
        "\u0301" * 100_000,
        "“" * 50_000,
        "中。" * 30_000,
        "# a" + " \t" * 200_000 + "b",
        "**a" * 30_000,
        "[1" * 30_000,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_hostile_text_is_cut_into_passages_with_a_bound(cutting: IsolatedParser, text: str) -> None:
    """The first one held all ingestion, at less than its length."""
    document = cutting.cut(f"Begun. {text} ended".encode(), media.MARKDOWN, "hostile.md")

    assert max(len(one.text) for one in document.chunks) <= 64 * Settings().chunk_tokens
    assert all(document.parsed.text[one.start : one.end] == one.text for one in document.chunks)


def test_cutting_has_the_time_limit_of_reading() -> None:
    text = "One more sentence of no great length. " * 500_000
    with (
        IsolatedParser(Settings(parse_timeout=1.0), "workers.cutting") as isolated_parser,
        pytest.raises(DocumentTooLarge, match=r"longer than 1 s"),
    ):
        isolated_parser.cut(text.encode(), media.TEXT, "long.txt")


def test_a_document_that_nobody_wants_any_more_is_given_up(cutting: IsolatedParser) -> None:
    text = "One more sentence of no great length. " * 800_000
    begun = time.monotonic()

    with pytest.raises(TimedOut, match="no longer wanted"):
        cutting.cut(text.encode(), media.TEXT, "long.txt", lambda: time.monotonic() > begun + 1)

    again = cutting.cut(b"A short one.", media.TEXT, "short.txt")
    assert [one.text for one in again.chunks] == ["A short one."]
