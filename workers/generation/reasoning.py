"""Separates a model's reasoning from its answer, in whichever form a server sends them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from rag.model import Answer, Hit
from workers.generation.prompting import CitedText

_OPENING = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_CLOSING = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_TAG = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_TAGS = ("<think>", "<thinking>", "</think>", "</thinking>")
_MUSING = re.compile(
    r"(?:okay|ok|alright|hmm+|wait|so,|let me|let's|let us|the user|(?:i|we) (?:need|have to))(?!\w)",
    re.IGNORECASE,
)
_ENOUGH = 12  # characters that tell whether a text begins like reasoning
_REASONING_MODEL = re.compile(r"\br1\b|deepseek-r1|qwq|magistral|think|reason", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """What a model wrote next.

    text: of the answer, or of both where the server does not separate reasoning.
    reasoning: where it does. cut: the model was stopped because its tokens were used up.
    """

    text: str = ""
    reasoning: str = ""
    cut: bool = False

    def within(self, characters: int) -> "Piece":
        """The piece shortened to so many characters; itself when it has no more."""
        if len(self.text) + len(self.reasoning) <= characters:
            return self
        reasoning = self.reasoning[:characters]
        return Piece(self.text[: characters - len(reasoning)], reasoning, cut=True)


class _State(Enum):
    BEGINNING = auto()
    REASONING = auto()
    UNDECIDED = auto()  # reasoning or an answer: only a closing tag, or the end, will tell
    ANSWERING = auto()


class ReasoningParser:
    """Builds the answer and the reasoning from a model's pieces; see ``CitedText`` for citation marks.

    Reasoning comes in ``Piece.reasoning``, or in the text between ``<think>`` and ``</think>``. Where
    a chat template ends with the opening tag, the text has only the closing one. So the text of a
    model that is known to reason, or one that begins as reasoning does ("Okay, …"), is held back
    until that tag or the end. When a closing tag still comes after text that was taken for the
    answer, all that text was reasoning, and the answer begins again.
    """

    def __init__(self, passages: Sequence[Hit], model: str) -> None:
        """``model``: its name, which may tell that it reasons."""
        self._passages = passages
        self._reasons = _REASONING_MODEL.search(model) is not None
        self._answer = CitedText(passages)
        self._state = _State.BEGINNING
        self._unread = ""  # possibly the beginning of a tag, or of reasoning
        self._undecided: list[str] = []
        self._answered: list[str] = []
        self._reasoning: list[str] = []
        self._cut = False

    def feed(self, piece: Piece) -> str:
        """Take a piece. Returns the answer's text that it settles."""
        self._cut = self._cut or piece.cut
        text = self._unread + piece.text
        if piece.reasoning:
            self._reasoning.append(piece.reasoning)
            text = "".join((*self._undecided, text))
            self._undecided.clear()
            self._state = _State.ANSWERING
        if self._state is _State.BEGINNING:
            text = self._begin(text)
        return self._read(text)

    def close(self) -> str:
        """Call when the model has ended. Returns the rest of the answer."""
        if self._state is _State.BEGINNING:
            self._state = _State.UNDECIDED
        settled = self._read(self._unread)
        rest = (*self._undecided, self._unread)
        unfinished = self._state is _State.UNDECIDED and self._reasons and self._cut
        if self._state is _State.REASONING or unfinished:
            self._reasoning += rest
        else:
            settled += self._add("".join(rest))
        return settled + self._answer.close()

    def answer(self) -> Answer:
        """Text, citations and reasoning so far."""
        return replace(self._answer.answer(), reasoning="".join(self._reasoning).strip())

    def _begin(self, text: str) -> str:
        """Decide how the text begins, if it can be told yet. Returns the text to read further."""
        text = text.lstrip()
        if opening := _OPENING.match(text):
            self._state = _State.REASONING
            return text[opening.end() :]
        if not text or any(tag.startswith(text.casefold()) for tag in _TAGS):
            return text
        if self._reasons or _MUSING.match(text):
            self._state = _State.UNDECIDED
        elif len(text) >= _ENOUGH:
            self._state = _State.ANSWERING
        return text

    def _read(self, text: str) -> str:
        """Read ``text`` from tag to tag; what may be the beginning of a tag is left unread."""
        if self._state is _State.BEGINNING:
            self._unread = text
            return ""
        settled: list[str] = []
        position = 0
        # within reasoning only its end counts
        while tag := (_TAG if self._state is _State.ANSWERING else _CLOSING).search(text, position):
            settled.append(self._take(text[position : tag.start()]))
            if self._switch(tag.group()):
                settled.clear()
            position = tag.end()
        rest = text[position:]
        last = rest.rfind("<")
        if last < 0 or not any(tag.startswith(rest[last:].casefold()) for tag in _TAGS):
            last = len(rest)
        self._unread = rest[last:]
        return "".join((*settled, self._take(rest[:last])))

    def _take(self, text: str) -> str:
        match self._state:
            case _State.REASONING:
                self._reasoning.append(text)
            case _State.UNDECIDED | _State.BEGINNING:
                self._undecided.append(text)
            case _State.ANSWERING:
                return self._add(text)
        return ""

    def _switch(self, tag: str) -> bool:
        """Switch between reasoning and answer. True when a lone closing tag makes the answer begin again."""
        if _OPENING.fullmatch(tag):
            self._state = _State.REASONING
        elif self._state is not _State.ANSWERING:
            self._reasoning += self._undecided
            self._undecided.clear()
            self._state = _State.ANSWERING
        elif not self._reasoning:
            self._reasoning, self._answered = self._answered, []
            self._answer = CitedText(self._passages)
            return True
        return False

    def _add(self, text: str) -> str:
        self._answered.append(text)
        return self._answer.feed(text)
