"""Cursors: what a page gave out leads on, and everything else is told from it."""

import pytest

from api.schemas.paging import Slicing, decode_cursor, encode_cursor
from rag.errors import InvalidCursor

LIST = "/v1/jobs"


@pytest.mark.parametrize(
    "cursor", ["0190a0a0-0000-7000-8000-000000000000", "guides/vpn.md", "ü" * 256, "7-1"]
)
def test_a_cursor_is_read_back(cursor: str) -> None:
    assert decode_cursor(encode_cursor(cursor, LIST), LIST) == cursor
    assert encode_cursor(cursor, LIST).isascii()
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor(cursor, LIST), "/v1/documents")


@pytest.mark.parametrize(
    "sent",
    [
        "garbage",
        "0190a0a0-0000-7000-8000-000000000000",
        "=",
        "a",
        "ü",
        "%00",
        "x" * 100_000,
        encode_cursor("", "/v1/jobs"),
    ],
)
def test_what_no_page_gave_out_is_refused(sent: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(sent, LIST)


def test_a_cursor_that_was_changed_is_refused() -> None:
    cursor = encode_cursor("guides/vpn.md", LIST)
    for at in range(len(cursor) - 1):
        with pytest.raises(InvalidCursor):
            decode_cursor(cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :], LIST)


def test_what_is_read_whole_comes_in_pages() -> None:
    items = [(name, name.upper()) for name in "abcdefg"]
    pages, cursor = [], None
    while cursor or not pages:
        window = Slicing(cursor, 3, LIST).window(items)
        pages.append("".join(window.items))
        cursor = window.next

    assert pages == ["ABC", "DEF", "G"]
    assert Slicing(None, None, LIST).window(items).items == tuple("ABCDEFG")
    assert Slicing("c", 2, LIST).window([item for item in items if item[0] != "c"]).items == ("D", "E")
    assert Slicing("g", 2, LIST).window(items).items == ()
    assert Slicing(None, 7, LIST).window(items).next is None
    assert Slicing(None, 7, LIST).window([]).items == ()
