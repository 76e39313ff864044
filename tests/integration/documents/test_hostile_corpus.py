"""Hundreds of hostile files: each is read or refused within its limits, and the next file is read as ever."""

import time
from collections.abc import Iterator

import psutil
import pytest

from rag import media
from rag.errors import DocumentError
from rag.media import HEAD_BYTES, media_type_of
from rag.parsing.parser import IsolatedParser
from rag.settings import Settings
from tests.documents import MAKERS, SENTENCES
from tests.documents.corpus import CORPUS

SECONDS = 5.0
MEMORY_MB = 512
GROWTH_BYTES = 200 << 20
"""Of the process that asks: what it holds of one answer, and what its allocator keeps."""


@pytest.fixture(scope="module")
def isolated_parser() -> Iterator[IsolatedParser]:
    with IsolatedParser(Settings(parse_memory_mb=MEMORY_MB, parse_timeout=SECONDS)) as one:
        yield one


@pytest.fixture(scope="module")
def process() -> psutil.Process:
    return psutil.Process()


def test_there_are_hundreds_of_them_over_every_format():
    endings = {name.rpartition(".")[2] for name in CORPUS}

    assert len(CORPUS) >= 300
    assert endings >= {media.READABLE[kind][0] for kind in MAKERS}


@pytest.mark.parametrize("name", sorted(CORPUS))
def test_a_hostile_file_harms_nobody(isolated_parser, process, name):
    data = CORPUS[name]()
    before, began = process.memory_info().rss, time.monotonic()

    try:
        kind = media_type_of(name, None, data[:HEAD_BYTES])
        said = isolated_parser.parse(data, kind, name).text
    except DocumentError as error:
        said = str(error)

    assert said
    assert time.monotonic() - began < SECONDS + 10
    assert process.memory_info().rss - before < GROWTH_BYTES
    assert SENTENCES[0] in isolated_parser.parse(MAKERS[media.TEXT](), media.TEXT, "handbook.txt").text
