"""Reads the marks by which a text cites passages: ``[2]``, ``[1, 2]``, ``[passage 3]``, ``[1 and 2]``.

A mark is read a character at a time, with a fixed amount of work for each. A document can make a model
write anything, and a regular expression with choices could be made to try them all.
"""

from enum import Enum, auto

_LABELS = frozenset({"passage", "passages", "source", "sources"})
_LONGEST_LABEL = max(map(len, _LABELS))
_AND = "and"
_SEPARATORS = ",;&"
_TOO_HIGH = 1_000_000  # no prompt shows so many passages


class Reading(Enum):
    """What the characters read so far are."""

    UNFINISHED = auto()
    COMPLETE = auto()
    NO_MARK = auto()


class _State(Enum):
    BEGINNING = auto()
    LABEL = auto()
    LABELLED = auto()
    NUMBER = auto()
    NUMBERED = auto()
    AND = auto()
    SEPARATED = auto()


class Mark:
    """Reads one mark after its opening bracket; ``numbers`` are those that it names, none twice."""

    def __init__(self) -> None:
        self.numbers: dict[int, None] = {}
        self._state = _State.BEGINNING
        self._word = ""
        self._number = 0

    def take(self, char: str) -> Reading:
        """Read the next character. Do not call it again after COMPLETE or NO_MARK."""
        match self._state:
            case _State.BEGINNING | _State.LABELLED | _State.SEPARATED:
                state = self._before_number(char)
            case _State.LABEL:
                state = self._in_label(char)
            case _State.AND:
                state = self._in_and(char)
            case _State.NUMBER | _State.NUMBERED:
                state = self._after_number(char)
        if state is None:
            return Reading.NO_MARK
        if self._state is _State.NUMBER and state is not _State.NUMBER:
            self.numbers[self._number] = None
            self._number = 0
        self._state = state
        return Reading.COMPLETE if char == "]" else Reading.UNFINISHED

    def _before_number(self, char: str) -> _State | None:
        if char.isspace():
            return self._state
        if char.isdecimal():
            return self._digit(char)
        if self._state is _State.BEGINNING and char.isalpha():
            return self._in_label(char)
        return None

    def _in_label(self, char: str) -> _State | None:
        if char.isalpha() and len(self._word) < _LONGEST_LABEL:
            self._word += char.casefold()
            return _State.LABEL
        if self._word in _LABELS and char.isspace():
            return _State.LABELLED
        return self._digit(char) if self._word in _LABELS and char.isdecimal() else None

    def _after_number(self, char: str) -> _State | None:
        if char.isdecimal():
            return self._digit(char)
        if char.isspace() or char == "]":
            return _State.NUMBERED
        self._word = ""
        return _State.SEPARATED if char in _SEPARATORS else self._in_and(char)

    def _in_and(self, char: str) -> _State | None:
        self._word += char.casefold()
        if self._word == _AND:
            return _State.SEPARATED
        return _State.AND if _AND.startswith(self._word) else None

    def _digit(self, char: str) -> _State:
        self._number = min(10 * self._number + int(char), _TOO_HIGH)
        return _State.NUMBER


def without_marks(text: str) -> str:
    """``text`` with round brackets in place of those of its marks, so that nothing in it is a citation."""
    parts: list[str] = []
    position = 0
    while (start := text.find("[", position)) >= 0:
        mark, end, reading = Mark(), start + 1, Reading.UNFINISHED
        while reading is Reading.UNFINISHED and end < len(text):
            reading = mark.take(text[end])
            end += 1
        is_mark = reading is Reading.COMPLETE
        parts += (text[position:start], f"({text[start + 1 : end - 1]})" if is_mark else "[")
        position = end if is_mark else start + 1
    return "".join((*parts, text[position:]))
