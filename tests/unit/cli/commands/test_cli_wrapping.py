"""Text that comes in pieces, within the width of a terminal."""

import io
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.commands.answers import WrappedText

WORDS = "The quick brown fox jumps over the lazy dog and does not look back at any of the others. "


def wrapped(pieces: list[str], width: int) -> str:
    out = io.StringIO()
    text = WrappedText(out, width)
    for piece in pieces:
        text.write(piece)
    text.end()
    return out.getvalue()


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_lines_are_broken_between_words_however_the_pieces_come(size: int) -> None:
    pieces = [WORDS[at : at + size] for at in range(0, len(WORDS), size)]

    assert wrapped(pieces, 31) == "\n".join(textwrap.wrap(WORDS, 30))


def test_lines_and_their_indents_stay() -> None:
    assert wrapped(["one\n\n    two\tthree\n"], 40) == "one\n\n    two    three\n"


def test_wide_characters_count_twice() -> None:
    lines = wrapped(["日本語 日本語 日本語"], 15).splitlines()

    assert lines == ["日本語 日本語", "日本語"]


@given(st.text(alphabet="ab \n\t日", max_size=300), st.integers(2, 20))
def test_nothing_is_lost_but_spaces(text: str, width: int) -> None:
    assert "".join(wrapped([text], width).split()) == "".join(text.split())
