"""Messages between the engine and its clients survive the way, and bad ones are refused."""

import socket
from datetime import UTC, datetime

import numpy as np
import pytest

from rag.errors import (
    AegisError,
    Conflict,
    InvalidRequest,
    Overloaded,
    TimedOut,
    Unavailable,
    UnknownCollection,
)
from rag.model import DocumentVersion, Passage, Point, SearchQuery, SparseVector
from rag.vectors.edge import wire

SPARSE = SparseVector(np.array([1, 4_000_000_000], np.uint32), np.array([0.5, 2.0], np.float32))
PASSAGE = Passage(
    "id", "doc", 3, 0, "täxt", "title", 0, 4, 2, ("A", "B"), {"list": [1, 2.5, None, [True]], "s": "x"}
)


def test_a_point_survives():
    tokens = np.arange(6, dtype=np.float16).reshape(3, 2)
    point = wire.unpacked(wire.packed(Point(PASSAGE, np.ones(3, np.float32), SPARSE, tokens)))
    assert point.passage == PASSAGE
    assert point.dense.dtype == np.float32
    assert point.sparse.indices.tolist() == [1, 4_000_000_000]
    np.testing.assert_array_equal(point.tokens, tokens)
    assert point.tokens.dtype == np.float16


def test_a_query_survives():
    query = SearchQuery(np.ones(2, np.float32), SPARSE, 3, {"a": [1, 2]}, (DocumentVersion("d", 1),), 0.25)
    back = wire.unpacked(wire.packed(query))
    assert (back.limit, back.where, back.exclude) == (3, {"a": [1, 2]}, (DocumentVersion("d", 1),))


def test_tuples_and_lists_stay_what_they_were():
    assert wire.unpacked(wire.packed([("a", ("b",)), ["c"], {"k": ()}])) == [("a", ("b",)), ["c"], {"k": ()}]


@pytest.mark.parametrize("value", [datetime.now(UTC), object(), {"a": {1}}, "\ud800", 2**70, AegisError()])
def test_what_is_not_plain_data_is_refused(value):
    with pytest.raises(InvalidRequest):
        wire.packed(["upsert", [value], {}])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        wire.packed([1])[:-1] + b"\x92",
        b"\xc7\x01\x63\x90",
        b"\xc7\x01\x0d\x90",
    ],
)
def test_what_is_no_message_is_refused(body):
    with pytest.raises(ValueError, match="not a message"):
        wire.unpacked(body)


def test_an_array_of_objects_is_never_built():
    import msgpack  # noqa: PLC0415 - to forge a message

    forged = msgpack.packb(msgpack.ExtType(1, msgpack.packb(["|O", [1], b"12345678"])))
    with pytest.raises(ValueError, match="dtype"):
        wire.unpacked(forged)


@pytest.mark.parametrize("error", [Conflict("c"), UnknownCollection("u"), TimedOut("t"), InvalidRequest("i")])
def test_errors_come_back_as_the_same_class(error):
    back = wire.error_from(*wire.unpacked(wire.packed(wire.error_fields(error))))
    assert type(back) is type(error)
    assert str(back) == str(error)


def test_errors_keep_when_to_retry():
    back = wire.error_from(*wire.error_fields(Overloaded("full", retry_after=3.5)))
    assert isinstance(back, Overloaded)
    assert back.retry_after == 3.5
    assert type(wire.error_from("of-a-newer-version", "?", None)) is AegisError


def test_frames_survive_a_stream_and_its_end():
    left, right = socket.socketpair()
    with left, right:
        wire.send(left, b"one")
        wire.send(left, b"")
        left.shutdown(socket.SHUT_WR)
        assert [wire.receive(right), wire.receive(right), wire.receive(right)] == [b"one", b"", None]


@pytest.mark.parametrize("part", [b"\x00", b"\x00\x00\x00\x05abc", b"\xff\xff\xff\xff"])
def test_a_broken_frame_is_a_broken_connection(part):
    left, right = socket.socketpair()
    with left, right:
        left.sendall(part)
        left.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionError):
            wire.receive(right)


def test_a_missing_answer_is_a_broken_connection():
    left, right = socket.socketpair()
    left.close()
    with right, pytest.raises(ConnectionError):
        wire.receive_answer(right)


def test_unavailable_keeps_its_code():
    assert wire.error_fields(Unavailable("away"))[0] == "unavailable"
