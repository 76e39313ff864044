"""Small texts are read in the worker, as the confined process would read them; all else is left to it."""

import json
from collections.abc import Callable
from contextlib import suppress
from time import process_time

import pytest

from rag import media
from rag.errors import UnreadableDocument
from rag.model import CutDocument, ParsedDocument
from rag.parsing import small_texts
from rag.parsing.parser import IsolatedParser
from rag.parsing.small_texts import LARGEST, SmallTextParser
from rag.parsing.wire import AnswerBounds
from rag.settings import Settings
from tests.documents import MAKERS
from tests.documents.hostile import noise
from workers.cutting import chunker

TEXTS = (media.TEXT, media.MARKDOWN, media.CSV, media.JSON, media.JSONL)
SLOWEST = 2.0
"""Seconds of processor time for the most hostile text: four times what was measured."""

HOSTILE = {
    "stops": (media.TEXT, b"[1" + b"<!" * (LARGEST // 2 - 1)),
    "lines": (media.MARKDOWN, b"<" + b"-\n" * (LARGEST // 2 - 1)),
    "long names of columns": (
        media.MARKDOWN,
        b"|%s|%s|\n|-|-|\n" % (b"n" * 110, b"m" * 110) + b"|a|b|\n" * 10_000,
    ),
    "deep JSON": (media.JSON, b'{"a":' * 900 + b"[" + b"[]," * 19_000 + b"[]]" + b"}" * 900),
    "long keys": (media.JSON, b'{"%s":[%s]}' % (b"k" * 16_000, b",".join([b'{"a":1}'] * 5_000))),
    "long groups": (media.CSV, b"g" * 20_000 + b",,\nx,y,x\n" + b"1,1,1\n" * 7_000),
    "empty cells": (media.CSV, b";" * LARGEST),
}


class Confined:
    """Notes what is left to it."""

    def __init__(self) -> None:
        self.left: list[bytes] = []

    def cut(self, data: bytes, media_type: str, name: str, given_up: object = None) -> CutDocument:
        self.left.append(data)
        raise UnreadableDocument("the confined process says what is wrong")


@pytest.fixture
def confined() -> Confined:
    return Confined()


@pytest.fixture(scope="module")
def own_chunker():
    return chunker(Settings().chunk_tokens)


@pytest.fixture
def reader(confined, own_chunker) -> SmallTextParser:
    return SmallTextParser(confined, lambda: own_chunker, AnswerBounds.of(Settings()))


def is_left(reader: SmallTextParser, confined: Confined, data: bytes, media_type: str) -> bool:
    with pytest.raises(UnreadableDocument, match="the confined process says"):
        reader.cut(data, media_type, "x")
    return confined.left == [data]


@pytest.mark.parametrize("media_type", TEXTS)
def test_a_small_text_is_read_here_as_the_confined_process_reads_it(
    reader: SmallTextParser, confined: Confined, isolated_parser: IsolatedParser, media_type: str
) -> None:
    data = MAKERS[media_type]()

    assert reader.cut(data, media_type, "x") == isolated_parser.cut(data, media_type, "x")
    assert confined.left == []


@pytest.mark.parametrize("media_type", sorted(set(media.READABLE) - set(TEXTS)))
def test_a_file_of_any_other_type_is_left_to_it(reader, confined, media_type: str) -> None:
    assert is_left(reader, confined, MAKERS.get(media_type, lambda: b"x")(), media_type)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n\t\n",
        b"words " * (LARGEST // 6 + 1),
        "Größe und Maß".encode("cp1252"),
        "lost: \ufffd".encode(),
        b"%PDF-1.7 sent as text",
        noise(5000),
        b"a\x01\x02\x03\x04\x05\x06b",
    ],
    ids=["empty", "blank", "long", "other set", "lost", "mislabelled", "noise", "binary"],
)
def test_a_text_that_is_not_plainly_well_is_left_to_it(reader, confined, data: bytes) -> None:
    assert is_left(reader, confined, data, media.TEXT)


def test_json_whose_lines_are_many_times_its_bytes_is_left_to_it(reader, confined) -> None:
    data = json.dumps({"k" * 1000: [{"a": n} for n in range(300)]}).encode()

    assert len(data) < LARGEST
    assert is_left(reader, confined, data, media.JSON)


class PanicException(BaseException):
    __module__ = "pyo3_runtime"


@pytest.mark.parametrize("error", [ValueError("tripped"), RecursionError(), PanicException("in Rust")])
def test_what_a_reader_trips_over_is_left_to_it(reader, confined, monkeypatch, error: BaseException) -> None:
    monkeypatch.setattr(small_texts, "_PARSERS", {media.TEXT: _raising(error)})

    assert is_left(reader, confined, b"words", media.TEXT)


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), RuntimeError("the time is over")])
def test_a_limit_of_the_worker_ends_the_stage_and_not_the_reader_alone(
    reader, confined, monkeypatch, error: BaseException
) -> None:
    monkeypatch.setattr(small_texts, "_PARSERS", {media.TEXT: _raising(error)})

    with pytest.raises(type(error)):
        reader.cut(b"words", media.TEXT, "x")
    assert confined.left == []


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_text_takes_no_long_time(reader, name: str) -> None:
    media_type, data = HOSTILE[name]
    reader.cut(b"warm up", media.TEXT, "x")

    began = process_time()
    with suppress(UnreadableDocument):  # some are left to the confined process, which is in time too
        reader.cut(data[:LARGEST], media_type, "x")

    assert process_time() - began < SLOWEST


def _raising(error: BaseException) -> Callable[[bytes], ParsedDocument]:
    def read(_data: bytes) -> ParsedDocument:
        raise error

    return read
