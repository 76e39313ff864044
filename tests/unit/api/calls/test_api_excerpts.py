"""A part of a text in pieces is what Python's slice of the whole is."""

import pytest

from api.calls.ranges import excerpt

TEXT = "aß中😀\nb" * 7
DATA = TEXT.encode()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("start", [0, 1, 4, 41, 42, 99])
@pytest.mark.parametrize("end", [None, 0, 1, 3, 5, 41, 42, 99])
def test_any_part_in_any_pieces(size, start, end):
    pieces = (DATA[at : at + size] for at in range(0, len(DATA), size))

    assert b"".join(excerpt(pieces, start, end)).decode() == TEXT[start:end]


def test_no_more_is_read_than_is_asked_for():
    pieces = iter([b"ab", b"cd", b"ef"])

    assert list(excerpt(pieces, 1, 3)) == [b"b", b"c"]
    assert next(pieces) == b"ef"


def test_a_text_that_ends_in_the_middle_of_a_character_is_damaged():
    with pytest.raises(UnicodeDecodeError):
        list(excerpt([b"a\xc3"], 0, None))
