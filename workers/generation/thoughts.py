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
        self._held = ""
        self._said = ""
        self._reasoning = ""
        self._cut = False

    def feed(self, piece: Piece) -> str:
        """Take a piece; what of the answer is settled by it."""
        self._cut = self._cut or piece.cut
        if piece.thought:
            self._reasoning += piece.thought
            self._state = _State.ANSWERING
        self._held += piece.text
        return self._read()

    def close(self) -> str:
        """The model has ended: the rest of the answer."""
        if self._state is _State.BEGINNING:
            self._state = _State.MUSING
        settled = self._read()
        unfinished = self._state is _State.MUSING and self._thinker and self._cut
        if self._state is _State.THINKING or unfinished:
            self._reasoning += self._held
        else:
            settled += self._said_of(self._held)
        return settled + self._answer.close()

    def answer(self) -> Answer:
        """Text, citations and reasoning so far."""
        return replace(self._answer.answer(), reasoning=self._reasoning.strip())

    def _read(self) -> str:
        """Go on through the held text as far as it can be told what it is."""
        settled = ""
        while True:
            state = self._state
            settled += self._step(state)
            if self._state is state:
                return settled

    def _step(self, state: _State) -> str:
        match state:
            case _State.BEGINNING:
                self._begin()
            case _State.THINKING | _State.MUSING:
                self._think(keep=state is _State.MUSING)
            case _State.ANSWERING:
                return self._go_on()
        return ""

    def _begin(self) -> None:
        begun = self._held.lstrip()
        if _OPENING.match(begun):
            self._held = _OPENING.sub("", begun, count=1)
            self._state = _State.THINKING
        elif not begun or any(tag.startswith(begun.casefold()) for tag in _TAGS):
            return
        elif self._thinker or _MUSING.match(begun):
            self._state = _State.MUSING
        elif len(begun) >= _ENOUGH:
            self._state = _State.ANSWERING

    def _think(self, *, keep: bool) -> None:
        """``keep``: the text stays held until it is known to be thoughts."""
        closing = _CLOSING.search(self._held)
        if closing:
            self._reasoning += self._held[: closing.start()]
            self._held = self._held[closing.end() :].lstrip()
            self._state = _State.ANSWERING
        elif not keep:
            thought, self._held = _without_unfinished(self._held)
            self._reasoning += thought

    def _go_on(self) -> str:
        tag = _TAG.search(self._held)
        if tag is None:
            text, self._held = _without_unfinished(self._held)
            return self._said_of(text)
        text, self._held = self._held[: tag.start()], self._held[tag.end() :]
        if _OPENING.fullmatch(tag.group()):
            self._state = _State.THINKING
            return self._said_of(text)
        return self._begin_anew(text)

    def _begin_anew(self, text: str) -> str:
        """``text`` and all before it were thoughts, unless other thoughts are known already."""
        if self._reasoning:
            return self._said_of(text) + self._go_on()
        self._reasoning, self._said = self._said + text, ""
        self._answer = CitedText(self._passages)
        return self._go_on()

    def _said_of(self, text: str) -> str:
        self._said += text
        return self._answer.feed(text)


def _without_unfinished(text: str) -> tuple[str, str]:
    """``text`` up to what may be the beginning of a tag, and that."""
    begun = text.rfind("<")
    if begun >= 0 and any(tag.startswith(text[begun:].casefold()) for tag in _TAGS):
        return text[:begun], text[begun:]
    return text, ""
