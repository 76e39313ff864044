"""A model's reasoning kept apart from its answer, whichever way the two come."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from rag.model import Answer, Hit
from rag.prompting import CitedText

_OPENING = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_CLOSING = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_TAG = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_TAGS = ("<think>", "<thinking>", "</think>", "</thinking>")
_MUSING = re.compile(
    r"(?:okay|ok|alright|hmm+|wait|so,|let me|let's|let us|the user|(?:i|we) (?:need|have to))(?!\w)",
    re.IGNORECASE,
)
_ENOUGH = 12  # characters that tell whether a text begins like thoughts
_THINKERS = re.compile(r"\br1\b|deepseek-r1|qwq|magistral|think|reason", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """What a model wrote next.

    text: of the answer, or of everything where its server does not tell thoughts apart.
    thought: where it does. cut: the model was stopped because its tokens were used up.
    """

    text: str = ""
    thought: str = ""
    cut: bool = False

    def within(self, characters: int) -> "Piece":
        """As much of it as has so many characters; what is more is cut."""
        if len(self.text) + len(self.thought) <= characters:
            return self
        thought = self.thought[:characters]
        return Piece(self.text[: characters - len(thought)], thought, cut=True)


class _State(Enum):
    BEGINNING = auto()
    THINKING = auto()
    MUSING = auto()  # thoughts or an answer: only a closing tag, or the end, will tell
    ANSWERING = auto()


class ThoughtfulText:
    """A model's pieces on their way to an answer with its reasoning; see ``CitedText`` for the marks.

    Thoughts come in ``Piece.thought``, or in the text between ``<think>`` and ``</think>``. Where
    a chat template ends with the opening tag, the text has only the closing one. So a text of a
    model that is known to think, or one that begins as thoughts do ("Okay, …"), is held back
    until that tag or the end. Should a closing tag come all the same after other words, all
    these were thoughts, and the answer begins anew.
    """

    def __init__(self, passages: Sequence[Hit], model: str) -> None:
        """``model``: its name, which may tell that it thinks."""
        self._passages = passages
        self._thinker = _THINKERS.search(model) is not None
        self._answer = CitedText(passages)
        self._state = _State.BEGINNING
        self._unread = ""  # what may be the beginning of a tag, or of thoughts
        self._musings: list[str] = []
        self._said: list[str] = []
        self._reasoning: list[str] = []
        self._cut = False

    def feed(self, piece: Piece) -> str:
        """Take a piece; what of the answer is settled by it."""
        self._cut = self._cut or piece.cut
        text = self._unread + piece.text
        if piece.thought:
            self._reasoning.append(piece.thought)
            text = "".join((*self._musings, text))
            self._musings.clear()
            self._state = _State.ANSWERING
        if self._state is _State.BEGINNING:
            text = self._begin(text)
        return self._read(text)

    def close(self) -> str:
        """The model has ended: the rest of the answer."""
        if self._state is _State.BEGINNING:
            self._state = _State.MUSING
        settled = self._read(self._unread)
        rest = (*self._musings, self._unread)
        unfinished = self._state is _State.MUSING and self._thinker and self._cut
        if self._state is _State.THINKING or unfinished:
            self._reasoning += rest
        else:
            settled += self._say("".join(rest))
        return settled + self._answer.close()

    def answer(self) -> Answer:
        """Text, citations and reasoning so far."""
        return replace(self._answer.answer(), reasoning="".join(self._reasoning).strip())

    def _begin(self, text: str) -> str:
        """``text`` once it tells what it is; the rest of it behind an opening tag."""
        begun = text.lstrip()
        if opening := _OPENING.match(begun):
            self._state = _State.THINKING
            return begun[opening.end() :]
        if not begun or any(tag.startswith(begun.casefold()) for tag in _TAGS):
            return begun
        if self._thinker or _MUSING.match(begun):
            self._state = _State.MUSING
        elif len(begun) >= _ENOUGH:
            self._state = _State.ANSWERING
        return begun

    def _read(self, text: str) -> str:
        """Go on through ``text`` from tag to tag; what may be the beginning of one is left unread."""
        if self._state is _State.BEGINNING:
            self._unread = text
            return ""
        settled: list[str] = []
        position = 0
        while tag := self._next_tag(text, position):
            settled.append(self._take(text[position : tag.start()]))
            if self._turn(tag.group()):
                settled.clear()
            position = tag.end()
        known, self._unread = _without_unfinished(text[position:])
        return "".join((*settled, self._take(known)))

    def _next_tag(self, text: str, position: int) -> re.Match[str] | None:
        """Among thoughts only their end counts."""
        return (_TAG if self._state is _State.ANSWERING else _CLOSING).search(text, position)

    def _take(self, text: str) -> str:
        match self._state:
            case _State.THINKING:
                self._reasoning.append(text)
            case _State.MUSING | _State.BEGINNING:
                self._musings.append(text)
            case _State.ANSWERING:
                return self._say(text)
        return ""

    def _turn(self, tag: str) -> bool:
        """Thoughts begin or end. Behind an end that nothing announced the answer begins anew: True."""
        if _OPENING.fullmatch(tag):
            self._state = _State.THINKING
        elif self._state is not _State.ANSWERING:
            self._reasoning += self._musings
            self._musings.clear()
            self._state = _State.ANSWERING
        elif not self._reasoning:
            self._reasoning, self._said = self._said, []
            self._answer = CitedText(self._passages)
            return True
        return False

    def _say(self, text: str) -> str:
        self._said.append(text)
        return self._answer.feed(text)


def _without_unfinished(text: str) -> tuple[str, str]:
    """``text`` up to what may be the beginning of a tag, and that."""
    begun = text.rfind("<")
    if begun >= 0 and any(tag.startswith(text[begun:].casefold()) for tag in _TAGS):
        return text[:begun], text[begun:]
    return text, ""
