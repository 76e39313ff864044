"""Streams to and from a vault: how they are cut, resumed, and read from the middle."""

import os
from collections.abc import Iterator

import pytest

from rag.backups.objects import Objects
from rag.backups.vault import StreamWriter, Vault, pieces, read
from rag.model import Stream

DATA = os.urandom(1000)


@pytest.fixture
def vault() -> Vault:
    return Vault(Objects("memory:///"))


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("block", [1, 7, 100, 250, 999, 1000])
def test_pieces_do_not_depend_on_how_the_bytes_come(block: int) -> None:
    cut = list(pieces(blocks(DATA, block), 100))

    assert cut == list(blocks(DATA, 100))


def test_the_last_piece_is_what_is_left() -> None:
    assert [len(piece) for piece in pieces([DATA], 300)] == [300, 300, 300, 100]
    assert list(pieces([], 300)) == list(pieces([b""], 300)) == []


def test_a_stream_comes_back_from_any_byte_on(vault: Vault) -> None:
    stream = Stream("s", tuple(StreamWriter(vault, 300).stream([DATA])))

    assert stream.length == 1000
    for start in (0, 1, 299, 300, 301, 600, 999, 1000, 2000):
        assert b"".join(read(vault, stream, start)) == DATA[start:]


def test_it_is_read_no_further_than_it_is_asked_for(vault: Vault) -> None:
    taken = []

    def source() -> Iterator[bytes]:
        for block in blocks(DATA, 100):
            taken.append(block)
            yield block

    parts = StreamWriter(vault, 200).stream(source())
    next(parts)

    assert len(taken) == 2


def test_after_a_break_it_goes_on_where_the_parts_end(vault: Vault) -> None:
    before = next(StreamWriter(vault, 300).stream([DATA]))

    writer = StreamWriter(vault, 300)
    stream = Stream("s", (before, *writer.stream([DATA[before.length :]])))

    assert b"".join(read(vault, stream)) == DATA
    assert stream.parts == tuple(StreamWriter(vault, 300).stream([DATA])), "it was cut at the same places"


def test_what_is_there_is_not_sent_again_unless_anew(vault: Vault) -> None:
    first, second = StreamWriter(vault, 10), StreamWriter(vault, 10)
    anew = StreamWriter(vault, 10, resend=True)

    for writer in (first, second, anew):
        list(writer.stream([DATA, DATA]))

    assert (first.sent, second.sent, anew.sent) == (1000, 0, 1000)
