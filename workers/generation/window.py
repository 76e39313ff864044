"""How much context a model is asked for, and what of it is left for passages.

Ollama loads a model anew when ``num_ctx`` changes (server/sched.go, ``needsReload``), which
takes seconds to minutes. So all questions of usual length get one and the same context.
"""

from dataclasses import dataclass

from rag.errors import InvalidRequest
from workers.tokens import estimated

_INSTRUCTIONS = 256  # tokens; the chat template's too
_USUAL_QUESTION = 200
_LEAST_PASSAGES = 200


@dataclass(frozen=True, slots=True)
class Window:
    """In tokens. ``shown``: of passages at most; ``answer``: thoughts included; ``most``: of all."""

    shown: int
    answer: int
    most: int

    @property
    def usual(self) -> int:
        """The context for all but long questions: a power of two, or ``most``."""
        return self._rounded(_USUAL_QUESTION + self.shown)

    def context(self, question: str) -> int:
        """``num_ctx`` for ``question``: the usual one, or the next power of two that holds more."""
        return max(self.usual, self._rounded(estimated(question) + self.shown))

    def passages(self, question: str) -> int:
        """Tokens of passages that fit in beside ``question``. InvalidRequest when it leaves no room."""
        left = self.context(question) - self.answer - _INSTRUCTIONS - estimated(question)
        if left < min(self.shown, _LEAST_PASSAGES):
            raise InvalidRequest(
                f"the question is too long for the model's context of {self.most} tokens: shorten it, "
                "or raise OLLAMA_MAX_CONTEXT"
            )
        return min(self.shown, left)

    def _rounded(self, asked: int) -> int:
        needed = _INSTRUCTIONS + asked + self.answer
        return min(self.most, 1 << (needed - 1).bit_length())
