"""Questions and passages as the cross-encoder reads them."""

from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer

from workers.bundled.session import CLS, SEP
from workers.embedding.minilm import encoded

MAX_TOKENS = 320
"""Of a pair, in which a question, its passage and that one's context take 260 as a rule. The model has 512
places, and a pair takes time for each of its tokens."""

MAX_QUESTION_TOKENS = 96


@dataclass(frozen=True, slots=True)
class Pair:
    """Token ids with special tokens; the passage's begin at ``second``."""

    ids: tuple[int, ...]
    second: int


@dataclass(frozen=True, slots=True)
class Reader:
    tokenizer: Tokenizer

    def pairs_of(self, texts: Iterable[tuple[str, str]]) -> list[Pair]:
        """Each question with its passage. What goes beyond the bounds is left out at the end."""
        return [self.pair(self.question(question), passage) for question, passage in texts]

    def question(self, text: str) -> list[int]:
        ids: list[int] = encoded(self.tokenizer, text).ids[:MAX_QUESTION_TOKENS]
        return ids

    def pair(self, question: list[int], passage: str) -> Pair:
        """``question``: what :meth:`question` made of it."""
        room = MAX_TOKENS - len(question) - 3
        ids = encoded(self.tokenizer, passage).ids[:room]
        return Pair((CLS, *question, SEP, *ids, SEP), second=len(question) + 2)
