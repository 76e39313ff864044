"""Which bytes are asked for."""

import pytest

from api.calls.ranges import Unsatisfiable, range_of


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-4", (2, 5)),
        ("bytes=2-", (2, 10)),
        ("bytes=2-99", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        (" BYTES = 2-4 ", (2, 5)),
    ],
)
def test_one_range(header, span):
    assert range_of(header, 10) == span


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=0-1,3-4", "lines=0-1",
     "bytes=²-3", "bytes=--3", "bytes=" + "9" * 5000 + "-"],
)  # fmt: skip
def test_all_is_sent_where_no_range_is_understood(header):
    assert range_of(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_no_byte_that_is_there(header, size):
    with pytest.raises(Unsatisfiable):
        range_of(header, size)
