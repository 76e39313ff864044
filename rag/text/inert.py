"""Makes an answer's text inert: nothing in it is loaded, and no link hides where it leads.

Programs that read Markdown or HTML show the answers. They fetch an image as soon as they show it, so its
address can carry the answer to another server; a document only has to tell a model to write such an image.
So a space is put into each construct, which makes it plain text (CommonMark 0.31.2):

    [text](address), ![text](address)      between the brackets
    [name]: address                        before the colon
    <tag …>, <address>, <!-- -->, <?x ?>   after the first bracket

All words stay, and addresses can be seen. Code between fences stays as it is.
"""

from collections.abc import Iterable

_LEAST_FENCE = 3
_BEGINS_TAG = frozenset("/!?")


class InertText:
    """Reads a text piece by piece, with a fixed amount of work for each character."""

    def __init__(self) -> None:
        self._last = "\n"
        self._mark = ""  # the character of the fence that the line may be
        self._run = 0  # how many of them the line begins with
        self._plain = True  # whether only white space followed them
        self._ticked = False  # whether a backtick followed them: then they open no fence
        self._fence: tuple[str, int] | None = None

    def feed(self, piece: str) -> str:
        """The piece with the spaces that make it inert."""
        return "".join(map(self._take, piece))

    def _take(self, char: str) -> str:
        in_tag = self._last == "<" and (char.isalpha() or char in _BEGINS_TAG)
        begins = in_tag or (self._last == "]" and char in "(:")
        space = " " if begins and self._fence is None else ""
        if char == "\n":
            self._end_line()
        elif self._last == "\n":
            self._mark, self._run = (char, 1) if char in "`~" else ("", 0)
            self._plain, self._ticked = True, False
        elif self._run and char == self._mark == self._last and self._plain:
            self._run += 1
        elif self._run:
            self._plain = self._plain and char.isspace()
            self._ticked = self._ticked or char == "`"
        self._last = char
        return space + char

    def _end_line(self) -> None:
        """Open a fence, or close one that is not longer than this line's marks."""
        if self._last != "\n" and self._run >= _LEAST_FENCE:
            if self._fence is None and not (self._mark == "`" and self._ticked):
                self._fence = (self._mark, self._run)
            elif self._fence and self._plain and self._mark == self._fence[0] and self._run >= self._fence[1]:
                self._fence = None
        self._run = 0


def make_inert(pieces: Iterable[str]) -> list[str]:
    """The pieces of one text, each with the spaces of :class:`InertText`."""
    text = InertText()
    return [text.feed(piece) for piece in pieces]
