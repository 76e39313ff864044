"""What a child answers that read a file, and may have been taken over by it."""

import struct
import tracemalloc
from contextlib import suppress

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import DocumentError, DocumentTooLarge, UnreadableDocument
from rag.model import Attachment, Chunk, CutDocument, Heading, Page, ParsedDocument, ReadingWarning
from rag.parsing import decoding, structure, wire
from rag.parsing.fork_server import places_of
from rag.parsing.warnings import LONGEST_WARNING, MOST_WARNINGS
from rag.text.chunking import TokenChunker, most_passages

BOUNDS = wire.AnswerBounds(text_bytes=1 << 20, passage_tokens=200)
TEXT = "# A\n\nwords of some length"


def framed(*frames: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(frame)) + frame for frame in frames)


def numbers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def forged(
    *,
    text: bytes = TEXT.encode(),
    title: bytes = b"A",
    names: bytes = b"A",
    headings: bytes = numbers(0, 1, 0),
    pages: bytes = numbers(1, 0, 25, -1),
    paths: bytes = numbers(0, -1, -1, -1, -1, -1),
    passages: bytes = numbers(0, 25, 6, 1, 0, 97),
    warnings: bytes = b"",
) -> bytes:
    return framed(b"document", text, title, names, headings, pages, paths, passages, warnings)


def test_an_answer_comes_back_as_it_was() -> None:
    parsed = ParsedDocument("# A\n\nwords", "A", (Heading(0, 1, "A"),), (Page(1, 0, 5), Page(4, 5, 10, 0.97)))
    chunks = (Chunk(0, "# A", 0, 3, 2, None, ()), Chunk(1, "words", 5, 10, 1, 4, ("A", "B"), 0.97))

    assert wire.unpacked(wire.packed(parsed, chunks), BOUNDS) == CutDocument(parsed, chunks)


def test_what_was_not_read_comes_back_on_a_line_that_harms_no_terminal() -> None:
    warnings = (ReadingWarning("pages", 2, "pages 4-5"), ReadingWarning("pictures", 7, "7 pictures"))
    written = wire.packed(ParsedDocument("words", warnings=warnings))
    hostile = forged(warnings=b"attachments 1 \x1b[2J\xe2\x80\xaefdp.exe")

    assert wire.unpacked(written, BOUNDS).parsed.warnings == warnings
    assert wire.unpacked(hostile, BOUNDS).parsed.warnings == (ReadingWarning("attachments", 1, "[2Jfdp.exe"),)


def test_more_warnings_than_are_taken_are_refused() -> None:
    with pytest.raises(UnreadableDocument, match="nonsense"):
        wire.unpacked(forged(warnings=b"pages 1 x\n" * (MOST_WARNINGS + 1)), BOUNDS)


def test_a_document_without_anything_but_text_comes_back() -> None:
    assert wire.unpacked(wire.packed(ParsedDocument("텍스트")), BOUNDS).parsed == ParsedDocument("텍스트")


@pytest.mark.parametrize("error", [DocumentTooLarge("too large"), UnreadableDocument("broken")])
def test_a_refusal_comes_back_as_it_was(error: DocumentError) -> None:
    with pytest.raises(type(error), match=str(error)):
        wire.unpacked(wire.refusal(error), BOUNDS)


def test_what_is_forged_below_is_sound_but_for_one_thing() -> None:
    assert wire.unpacked(forged(), BOUNDS).chunks == (Chunk(0, TEXT, 0, 25, 6, 1, ("A",), 0.97),)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xc1\xff",
        struct.pack(">I", (1 << 32) - 1),
        framed(b"nonsense"),
        framed(b"document", b"text"),
        framed(*[b""] * 10),
        forged() + framed(b"more"),
        forged(text=b"\xff"),
        forged(text=b"x" * (BOUNDS.text_bytes + 1), passages=b"", headings=b"", pages=b""),
        forged(text=b"\x1b[2J" + TEXT.encode()),
        forged(text=TEXT.encode() + b"\r\n"),
        forged(title=b"x" * 301),
        forged(title=b"\xff"),
        forged(names=b"x" * 301),
        forged(names=b"\n" * (1 << 20)),
        forged(headings=b"\0"),
        forged(headings=numbers(25, 1, 0)),
        forged(headings=numbers(-1, 1, 0)),
        forged(headings=numbers(0, 7, 0)),
        forged(headings=numbers(0, 0, 0)),
        forged(headings=numbers(0, 1, 1)),
        forged(headings=numbers(0, 1, -1)),
        forged(headings=numbers(3, 1, 0, 2, 1, 0)),
        forged(headings=numbers(0, 1, 0) * ((1 << 20) + 1)),
        forged(pages=numbers(1, 0, 26, -1)),
        forged(pages=numbers(-1, 0, 25, -1)),
        forged(pages=numbers(1, 0, 9, -1, 2, 8, 25, -1)),
        forged(pages=struct.pack("<d", float("inf"))),
        forged(pages=numbers(1, 0, 25, 101)),
        forged(pages=numbers(1, 0, 25, -2)),
        forged(passages=numbers(0, 25, 6, 1, 0, 101)),
        forged(paths=numbers(1, -1, -1, -1, -1, -1)),
        forged(paths=numbers(-2, -1, -1, -1, -1, -1)),
        forged(paths=numbers(*[0] * 7)),
        forged(paths=numbers(*[-1] * 12)),
        forged(passages=numbers(0, 26, 6, 1, 0, -1)),
        forged(passages=numbers(-5, 25, 6, 1, 0, -1)),
        forged(passages=numbers(4, 4, 6, 1, 0, -1)),
        forged(passages=numbers(8, 25, 6, 1, 0, -1, 0, 8, 6, 1, 0, -1)),
        forged(passages=numbers(0, 25, -1, 1, 0, -1)),
        forged(passages=numbers(0, 25, 201, 1, 0, -1)),
        forged(passages=numbers(0, 25, 6, -7, 0, -1)),
        forged(passages=numbers(0, 25, 6, 1, 1, -1)),
        forged(passages=numbers(0, 25, 6, 1, -1, -1)),
        forged(warnings=b"rumours 1 x"),
        forged(warnings=b"pages -1 x"),
        forged(warnings=b"pages one x"),
        forged(warnings=b"pages 1"),
        forged(warnings=b"pages 1 \xff"),
        forged(warnings=b"pages 1" + b"0" * 60 + b" x"),
        forged(warnings=b"pages 1 " + b"x" * (LONGEST_WARNING + 1)),
        forged(warnings=b"\n" * 100_000),
        forged(text=b"x" * 12_801, passages=numbers(0, 12_801, 6, 1, 0, -1)),
        forged(text=b"x" * 100, passages=b"".join(numbers(at, at + 1, 1, 1, 0, -1) for at in range(100))),
    ],
    ids=lambda answer: f"{answer[:60]!r}"[:80],
)
def test_a_child_that_was_taken_over_can_say_nothing_but_a_document(answer: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="nonsense"):
        wire.unpacked(answer, BOUNDS)


@pytest.mark.parametrize(
    "answer", [framed(b"refusal", b"document-too-large"), framed(b"refusal", *[b""] * 3)]
)
def test_a_refusal_of_another_form_is_nonsense(answer: bytes) -> None:
    with pytest.raises(UnreadableDocument, match="nonsense"):
        wire.unpacked(answer, BOUNDS)


def test_the_longest_words_of_a_refusal_are_cut() -> None:
    with pytest.raises(UnreadableDocument) as caught:
        wire.unpacked(framed(b"refusal", b"code" * 9, b"\x1b[2Jx" * 1_000_000), BOUNDS)

    assert len(str(caught.value)) <= 2_000
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x90" * (4 << 20),
        b"\0" * (4 << 20),
        forged(names=b"\n" * (4 << 20)),
        forged(text=b"x" * (1 << 20), headings=numbers(0, 1, 0) * 349_000),
        forged(text=b"x" * (1 << 20), pages=b"".join(numbers(1, at, at + 1, -1) for at in range(262_000))),
        forged(paths=numbers(*[0] * 6) * 174_000),
        forged(
            text=b"x" * (1 << 20),
            passages=b"".join(numbers(at, at + 1, 1_000 % 200, 1_000, 0, -1) for at in range(160_000)),
        ),
    ],
    ids=["arrays", "frames", "names", "headings", "pages", "paths", "passages"],
)
def test_four_megabytes_do_not_become_many(answer: bytes) -> None:
    """They became 288 MB."""
    tracemalloc.start()
    try:
        with suppress(DocumentError):
            wire.unpacked(answer, BOUNDS)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 64 << 20


messages = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
rows = st.lists(st.integers(-2, 40), max_size=24).map(lambda values: numbers(*values))
fields = (
    st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")) | rows
)


@settings(max_examples=300, deadline=None)
@given(
    st.binary()
    | messages.map(lambda message: bytes(msgpack.packb(message)))
    | st.lists(fields, max_size=10).map(lambda found: framed(*found))
    | st.lists(fields, min_size=8, max_size=8).map(lambda found: framed(b"document", *found))
    | st.tuples(rows, rows, rows, rows).map(
        lambda found: forged(headings=found[0], pages=found[1], paths=found[2], passages=found[3])
    )
)
def test_whatever_a_child_says_is_a_document_within_bounds_or_an_error_of_documents(answer: bytes) -> None:
    try:
        found = wire.unpacked(answer, BOUNDS)
    except DocumentError:
        return
    assert all(found.parsed.text[one.start : one.end] == one.text for one in found.chunks)
    assert all(0 < len(one.text) <= 64 * 200 and len(one.headings) <= 6 for one in found.chunks)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("# \n\n\tab.한-=|`*中1\u0301"), max_size=600), st.sampled_from([8, 32, 50]))
def test_what_the_chunker_makes_passes(content: str, most_tokens: int) -> None:
    document = structure.from_markdown(content)
    if not document.text.strip():
        return
    chunker = TokenChunker(
        lambda text: sum(3 if char == "한" else 1 for char in text if char > " "), most_tokens
    )
    chunks = tuple(chunker.chunk(document))

    assert len(chunks) <= most_passages(len(document.text), most_tokens)
    bounds = wire.AnswerBounds(1 << 20, most_tokens)
    assert wire.unpacked(wire.packed(document, chunks), bounds).chunks == chunks


@given(st.text())
def test_what_is_normalised_is_clean(text: str) -> None:
    assert decoding.is_clean(decoding.normalised(text))


def test_more_headings_than_are_taken_are_told_to_the_caller() -> None:
    headings = (Heading(0, 1, "A"),) * ((1 << 20) + 1)

    with pytest.raises(DocumentTooLarge, match="headings or pages"):
        wire.packed(ParsedDocument("# A", None, headings))


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        (
            "panicked at crates/xberg/src/pdf.rs:12:7:\nbyte 3 is no boundary of `Erika Mustermann`",
            "it names crates/xberg/src/pdf.rs:12:7",
        ),
        (
            '  File "/lib/mail.py", line 12, in f\nValueError: Erika Mustermann',
            'it names /lib/mail.py", line 12',
        ),
        ("Erika Mustermann", "it names no place in its code"),
    ],
)
def test_of_a_crash_the_log_has_places_in_code_and_no_word_of_the_file(messages: str, told: str) -> None:
    assert places_of(messages) == told


ATTACHED = [Attachment("a.md", "text/markdown", b"# A"), Attachment("b", "", b"")]


def test_attachments_come_through_unchanged() -> None:
    assert wire.unpacked_attachments(wire.packed_attachments(ATTACHED)) == ATTACHED


@pytest.mark.parametrize(
    "answer",
    [
        wire.packed_attachments(ATTACHED)[:-1],
        framed(b"attachments", b"a"),
        framed(b"attachments", b"\xff", b"text/plain", b""),
        framed(b"attachments", b"x" * 1000, b"text/plain", b""),
        wire.packed_attachments(ATTACHED * 60),
        wire.packed(ParsedDocument("text")),
        b"",
    ],
)
def test_attachments_that_no_parser_hands_out_are_refused(answer: bytes) -> None:
    with pytest.raises(UnreadableDocument):
        wire.unpacked_attachments(answer)


def test_a_refusal_takes_the_place_of_attachments() -> None:
    with pytest.raises(DocumentTooLarge, match="enormous"):
        wire.unpacked_attachments(wire.refusal(DocumentTooLarge("enormous")))
