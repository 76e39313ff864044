"""Where passages stand in a text."""

import pytest

from rag.errors import NotFound
from rag.model import Chunk
from rag.text.places import pack_places, places_of, unpack_places

TEXT = "aé😀 one.\n\nTwo wörds.\n\nThree 水."


def chunk(index: int, start: int, end: int) -> Chunk:
    return Chunk(index, TEXT[start:end], start, end, 3, page=index or None, headings=("A", "B")[:index])


def test_characters_and_bytes_are_of_the_same_passage() -> None:
    chunks = [chunk(0, 0, 8), chunk(1, 4, 20), chunk(2, 22, len(TEXT))]

    places = places_of(TEXT, chunks, ["x", "y", "z"])

    for place, each in zip(places, chunks, strict=True):
        assert TEXT.encode()[place.first : place.last].decode() == each.text
        assert (place.start, place.end, place.page, place.headings) == (
            each.start, each.end, each.page, each.headings,
        )  # fmt: skip
    assert unpack_places(pack_places(places)) == places


@pytest.mark.parametrize("data", [b"", b"x", pack_places(places_of(TEXT, [chunk(0, 0, 8)], ["x"]))[:-5]])
def test_what_was_cut_off_is_as_good_as_gone(data: bytes) -> None:
    with pytest.raises(NotFound):
        unpack_places(data)
