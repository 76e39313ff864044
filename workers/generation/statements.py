"""What a passage states: pieces that an answer may quote, each with what it is said about.

A question of a list of questions, the term of a definition list, a line in bold and a heading say nothing
themselves. They are the labels of what stands below them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise, zip_longest

from rag.text.sentences import Kind, Sentence, readable, sentences
from workers.generation.rows import cells_of

_LONGEST_TERM, _LONGEST_NAME = 250, 60  # characters
_MOST_WORDS = 8  # of a term whose text is no sentence
_LOWEST = 7  # level of what is like a heading and has no mark
_LONGEST_RECORD = 1_000  # characters

_BOLD = re.compile(r"(\*\*|__)(?=\S)[^\n]*\1:?\Z")
_ASKS = re.compile(r"(?:[?？؟⸮]|\?[\"'”’»)]+)\Z")
_STOPS = re.compile(r"[.!?:;,…。！？؟।]\W{0,3}\Z")
_QUESTION_MARK = re.compile(
    r"(?:Q|F|Question|Frage|Pregunta|Вопрос|问|問)\s?\d{0,3}\s?[:.：]\s?\S", re.IGNORECASE
)
_ANSWER_MARK = re.compile(
    r"(?:A|Answer|Antwort|Réponse|Respuesta|Risposta|Ответ|答)\s?\d{0,3}\s?[:.：]\s?(?=\S)", re.IGNORECASE
)
_SUBJECT = re.compile(r"(?:Subject|Betreff|Objet|Asunto|Oggetto|Тема|主题|件名)\s?[:：]", re.IGNORECASE)
_RECORD_LINE = re.compile(rf"[^\n:;]{{1,{_LONGEST_NAME}}}: \S[^\n]*")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


class Form(StrEnum):
    """What a label is."""

    QUESTION = "question"
    TERM = "term"


@dataclass(frozen=True, slots=True)
class Label:
    """A question that the text below answers, or the term that it explains."""

    part: Sentence
    form: Form
    text: str


@dataclass(frozen=True, slots=True)
class Statement:
    """Consecutive parts of a passage that are quoted together.

    ``headings``: of the passage's own text, outermost first; ``heading`` is the place of the innermost.
    ``distance``: how many statements stand between the label and this one.
    """

    parts: tuple[Sentence, ...]
    label: Label | None = None
    headings: tuple[str, ...] = ()
    heading: Sentence | None = None
    distance: int = 0

    @property
    def start(self) -> int:
        return self.parts[0].start

    @property
    def end(self) -> int:
        return self.parts[-1].end


@dataclass(frozen=True, slots=True)
class _Piece:
    """A sentence, and whether a block begins before it and ends after it."""

    part: Sentence
    opens: bool
    closes: bool

    @property
    def alone(self) -> bool:
        return self.opens and self.closes


def statements(text: str) -> list[Statement]:
    """The statements of ``text``, in order. What is only a label is in none, unless it stands at the end."""
    return _Reader(text).read()


def without_answer_mark(line: str) -> str:
    """``line`` without the "A:" by which a list of questions marks an answer."""
    mark = _ANSWER_MARK.match(line)
    return line[mark.end() :] if mark else line


class _Reader:
    """Reads the pieces of a text in order, and knows the headings and the label in force."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._headings: list[tuple[int, str]] = []
        self._heading: Sentence | None = None
        self._label: Label | None = None
        self._lasts = False  # whether the label is in force beyond the next block
        self._distance = 0
        self._found: list[Statement] = []

    def read(self) -> list[Statement]:
        pieces = _pieces(self._text)
        for piece, following in zip_longest(pieces, pieces[1:]):
            if piece.part.kind is Kind.HEADING or self._is_subject(piece):
                self._enter(piece.part)
            elif label := self._label_of(piece, following):
                self._label, self._distance = label, 0
                self._lasts = label.form is Form.QUESTION and piece.opens
            else:
                self._state(piece)
        return self._found

    def _is_subject(self, piece: _Piece) -> bool:
        return _SUBJECT.match(self._text, piece.part.start, piece.part.end) is not None

    def _enter(self, part: Sentence) -> None:
        """Go under a heading; one of the same level or below is left."""
        line = self._text[part.start : part.end]
        level = len(line) - len(line.lstrip("#")) or _LOWEST
        name = readable(_SUBJECT.sub("", line), Kind.HEADING).rstrip(" ¶#")
        self._headings = [each for each in self._headings if each[0] < level] + [(level, name)]
        self._heading, self._label, self._distance, self._lasts = part, None, 0, True
        if _ASKS.search(name):
            self._label = Label(part, Form.QUESTION, name)

    def _label_of(self, piece: _Piece, following: _Piece | None) -> Label | None:
        """What ``piece`` is the label of the following one as; None where it is none."""
        if following is None or following.part.kind is Kind.HEADING:
            return None
        if piece.part.kind in (Kind.ROW, Kind.CODE) or cells_of(
            self._text[piece.part.start : piece.part.end]
        ):
            return None
        line = readable(self._text[piece.part.start : piece.part.end], piece.part.kind)
        if _ASKS.search(line) or _QUESTION_MARK.match(line):
            return Label(piece.part, Form.QUESTION, line)
        if piece.alone and self._is_term(piece.part, line, following):
            return Label(piece.part, Form.TERM, line.rstrip(": ¶#"))
        return None

    def _is_term(self, part: Sentence, line: str, following: _Piece) -> bool:
        if len(line) > _LONGEST_TERM or part.kind is not Kind.PROSE:
            return False
        if _BOLD.match(self._text[part.start : part.end]):
            return True
        if self._label is not None and self._label.form is Form.TERM and not self._distance:
            return False  # it is the text of the term before
        if line.endswith(":"):
            return following.part.kind is Kind.PROSE
        if _STOPS.search(line) or _RECORD_LINE.match(line):
            return False
        below = self._text[following.part.start : following.part.end]
        return following.part.kind is not Kind.ROW and (
            bool(_STOPS.search(below)) or len(line.split()) <= _MOST_WORDS
        )

    def _state(self, piece: _Piece) -> None:
        last = self._found[-1] if self._found else None
        if last is not None and self._goes_on(last, piece.part):
            self._found[-1] = replace(last, parts=(*last.parts, piece.part))
            return
        if piece.opens and self._label is not None and self._distance and not self._lasts:
            self._label, self._distance = None, 0
        headings = tuple(name for _, name in self._headings)
        self._found.append(Statement((piece.part,), self._label, headings, self._heading, self._distance))
        self._distance += 1

    def _goes_on(self, last: Statement, part: Sentence) -> bool:
        """Whether ``part`` belongs to ``last``: an item of its list, or the code that its colon announces."""
        if last.heading is not self._heading or last.label is not self._label:
            return False
        announced = len(last.parts) == 1 and self._text[last.start : last.end].rstrip("*_").endswith(":")
        if part.kind is Kind.ITEM:
            return last.parts[-1].kind is Kind.ITEM or announced
        return announced and part.kind in (Kind.CODE, Kind.ROW)


def _pieces(text: str) -> list[_Piece]:
    parts = list(_joined_records(text, sentences(text)))
    opens = [n == 0 or _begins_block(text, parts[n - 1], part) for n, part in enumerate(parts)]
    return [_Piece(part, *around) for part, around in zip(parts, pairwise((*opens, True)), strict=True)]


def _begins_block(text: str, before: Sentence, part: Sentence) -> bool:
    gap = text[before.end : part.start]
    marked = "\n" in gap and part.kind is Kind.ITEM and text[part.start] in "-*+•‣◦(0123456789"
    return before.kind is not part.kind or marked or _BLANK_LINE.search(gap) is not None


def _joined_records(text: str, parts: Sequence[Sentence]) -> Iterator[Sentence]:
    """The parts, where lines of a field each, "host: node-7", are one row."""
    run: list[Sentence] = []
    for part in parts:
        field = part.kind is Kind.PROSE and _is_field(text[part.start : part.end])
        if run and not (field and text[run[-1].end : part.start].strip(" ") == "\n"):
            yield from _record(run)
            run = []
        if field:
            run.append(part)
        else:
            yield part
    yield from _record(run)


def _is_field(line: str) -> bool:
    """Whether each line of a block names a value."""
    lines = line.split("\n")
    return all(_RECORD_LINE.fullmatch(each.strip()) for each in lines) and not (
        _QUESTION_MARK.match(line) or _ANSWER_MARK.match(line)
    )


def _record(run: Sequence[Sentence]) -> Iterator[Sentence]:
    joined = run and run[-1].end - run[0].start <= _LONGEST_RECORD
    if joined and (len(run) > 1):
        yield Sentence(run[0].start, run[-1].end, Kind.ROW)
    else:
        yield from run
