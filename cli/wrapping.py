"""Text on a terminal while it is written, broken between words."""

from typing import IO

from rich.cells import cell_len

_TAB = "    "


class WrappedText:
    """Writes to ``out``, in lines of less than ``width`` columns as far as words allow.

    A word is written when the next white space shows that it is whole, or once it fills a line.
    Spaces at the start of a line stay, as code needs them; those where a line is broken go.
    """

    def __init__(self, out: IO[str], width: int) -> None:
        self._out, self._width = out, max(2, width)
        self._column, self._gap, self._word = 0, "", ""

    def write(self, text: str) -> None:
        for character in text.replace("\t", _TAB):
            if character == "\n":
                self._end_word()
                self._out.write("\n")
                self._column, self._gap = 0, ""
            elif character == " ":
                self._end_word()
                self._gap += " "
            else:
                self._word += character
                if cell_len(self._word) >= self._width - 1:
                    self._end_word()
        self._out.flush()

    def end(self) -> None:
        """No more text comes."""
        self._end_word()
        self._out.flush()

    def _end_word(self) -> None:
        if not self._word:
            return
        if self._column and self._column + cell_len(self._gap + self._word) >= self._width:
            self._out.write("\n")
            self._column, self._gap = 0, ""
        self._out.write(self._gap + self._word)
        self._column += cell_len(self._gap + self._word)
        self._gap, self._word = "", ""
