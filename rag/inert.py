"""An answer's text in which nothing is loaded, and no link hides where it leads.

Answers are shown by programs that read Markdown or HTML. There an image is fetched as soon as it is
shown, and so could carry away what the answer says; a document that tells a model to write one needs
no more. So one space is put where it keeps a construct from being one (CommonMark 0.31.2):

    [text](address), ![text](address)      between the brackets
    [name]: address                        before the colon
    <tag …>, <address>, <!-- -->, <?x ?>   behind the first bracket

All words stay, addresses too, where everybody sees them. Code between fences keeps its form.
"""

from collections.abc import Iterable

_LEAST_FENCE = 3
_BEGINS_TAG = frozenset("/!?")


class InertText:
    """Reads a text piece by piece, with a fixed amount of work for each character."""

    def __init__(self) -> None:
        self._last = "\n"
        self._mark = ""  # of the fence that the line may be
        self._run = 0  # how many of these the line begins with
        self._plain = True  # whether nothing but white space came behind them
        self._ticked = False  # whether a backtick did, so that they open nothing
        self._fence: tuple[str, int] | None = None

    def feed(self, piece: str) -> str:
        """The piece with the spaces that it needs, before or in it."""
        return "".join(map(self._take, piece))

    def _take(self, char: str) -> str:
        space = " " if self._fence is None and self._would_begin(char) else ""
        if char == "\n":
            self._end_line()
        elif self._last == "\n":
            self._mark, self._run = (char, 1) if char in "`~" else ("", 0)
            self._plain, self._ticked = True, False
        elif self._run:
            self._read_fence(char)
        self._last = char
        return space + char

    def _would_begin(self, char: str) -> bool:
        if self._last == "]":
            return char in "(:"
        return self._last == "<" and (char.isalpha() or char in _BEGINS_TAG)

    def _read_fence(self, char: str) -> None:
        if char == self._mark == self._last and self._plain:
            self._run += 1
            return
        self._plain = self._plain and char.isspace()
        self._ticked = self._ticked or char == "`"

    def _end_line(self) -> None:
        """A line of marks opens a fence, or closes one that is no longer than it."""
        if self._last != "\n" and self._run >= _LEAST_FENCE:
            if self._fence is None and not (self._mark == "`" and self._ticked):
                self._fence = (self._mark, self._run)
            elif self._fence and self._plain and self._mark == self._fence[0] and self._run >= self._fence[1]:
                self._fence = None
        self._run = 0


def make_inert(pieces: Iterable[str]) -> list[str]:
    """The pieces of one text, each as :class:`InertText` gives it."""
    text = InertText()
    return [text.feed(piece) for piece in pieces]
