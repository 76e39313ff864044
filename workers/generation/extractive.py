"""Answers made of as few sentences as possible, quoted from the passages."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from rag.model import Answer, Candidate, Embedding, Vector
from rag.ports import GenerationRequest
from rag.text.inert import make_inert
from workers.embedding import minilm
from workers.generation.expectation import expected, holds
from workers.generation.prompting import NOT_FOUND
from workers.generation.quotes import Quote, content_words, quotes

_PASSAGES = 10
_MOST_QUOTES = 3
_ENOUGH = 0.6
_MEANING, _WORDING, _EXPECTED = 5.0, 5.0, 2.0


TokenSpans = Callable[[str], Sequence[tuple[int, int]]]
"""For a text, the characters behind each row of its token vectors."""


class ExtractiveGenerator:
    """The ``Generator`` port without a generative model.

    Each sentence of the passages gets a score, up to a constant the log of the chance that it
    holds the answer: the log-odds of its passage, the question's MaxSim over the sentence's
    stored token vectors, the share of the question's words in it weighted by rarity, and
    whether it holds the kind of thing asked for. The softmax over all sentences gives the
    chances; the answer takes sentences, best first, until their chances add up to ``_ENOUGH``. The
    coefficients are rounded from a conditional logit that was cross-validated by article.
    """

    name = "extractive"
    reads_vectors = True

    def __init__(self, token_spans: TokenSpans | None = None, *, min_relevance: float) -> None:
        """With ``token_spans`` None, or a passage without token vectors, only words are compared.

        ``min_relevance``: where no passage reaches it, the answer is "not found".
        """
        self._token_spans = token_spans
        self._min_relevance = min_relevance

    def answer(self, request: GenerationRequest) -> Answer:
        """Emits one piece per sentence; joined they are the text. A cancelled request gets "not found"."""
        passages = request.passages[:_PASSAGES]
        relevant = max((c.hit.score for c in passages), default=0.0) >= self._min_relevance
        chosen = self._choose_quotes(request, passages) if relevant and not request.cancelled() else []
        if not chosen:
            request.emit(NOT_FOUND)
            return Answer(NOT_FOUND, (), found=False)
        readings = [quote.reading() for quote in chosen]
        gap = "\n" if any("\n" in reading for reading in readings) else " "
        cited = (f"{gap if n > 1 else ''}{reading} [{n}]" for n, reading in enumerate(readings, 1))
        pieces = make_inert(cited)
        for piece in pieces:
            request.emit(piece)
        citations = tuple(quote.citation(n) for n, quote in enumerate(chosen, 1))
        return Answer("".join(pieces), citations, found=True)

    def warm(self) -> None:
        quotes(())
        if self._token_spans is not None:
            self._token_spans("ready")

    def _choose_quotes(self, request: GenerationRequest, passages: Sequence[Candidate]) -> list[Quote]:
        found = quotes(passages, request.cancelled)
        if not found or request.cancelled():
            return []
        expectation, asked = expected(request.question), content_words(request.question)
        chance = np.clip([quote.relevance for quote in found], 0.001, 0.999)
        scores: Vector = np.log(chance / (1 - chance)).astype(np.float32)
        scores += _WORDING * _word_overlap(asked, found)
        held = [holds(quote.verbatim, expectation, asked) for quote in found]
        scores += _EXPECTED * np.array(held, dtype=np.float32)
        near = self._token_spans and token_similarity(request.query, passages, found, self._token_spans)
        if near is not None:
            scores += _MEANING * near
        return _most_likely(found, scores)


def _word_overlap(asked: AbstractSet[str], found: Sequence[Quote]) -> Vector:
    """The share of the words ``asked`` in each quote; words that few quotes have weigh more."""
    frequency = Counter(word for quote in found for word in quote.words)
    rarity = {word: math.log(1 + (len(found) + 1) / (frequency[word] + 0.5)) for word in asked}
    total = sum(rarity.values()) or 1.0
    shares = [sum(rarity[word] for word in sorted(asked & quote.words)) / total for quote in found]
    return np.array(shares, dtype=np.float32)


def _most_likely(found: Sequence[Quote], scores: Vector) -> list[Quote]:
    """As few quotes as have ``_ENOUGH`` chance; none repeats another.

    They come in reading order: passages by their best quote, then quotes by their place in it.
    """
    chance = np.exp(scores - scores.max())
    chance /= chance.sum()
    chosen: list[Quote] = []
    total = 0.0
    for i in np.argsort(-chance, kind="stable"):
        if total >= _ENOUGH or len(chosen) == _MOST_QUOTES:
            break
        total += float(chance[i])
        if not any(found[i].says_the_same_as(other) for other in chosen):
            chosen.append(found[i])
    ranks = list(dict.fromkeys(quote.rank for quote in chosen))
    return sorted(chosen, key=lambda quote: (ranks.index(quote.rank), quote.start))


def generator(min_relevance: float) -> ExtractiveGenerator:
    """The default generator. Loads only the bundled embedder's tokenizer, to read its token vectors."""
    tokenizer = minilm.tokenizer()
    return ExtractiveGenerator(lambda text: minilm.token_spans(tokenizer, text), min_relevance=min_relevance)


def token_similarity(
    query: Embedding, passages: Sequence[Candidate], found: Sequence[Quote], spans: TokenSpans
) -> Vector | None:
    """The question's weighted MaxSim (Khattab & Zaharia 2020) over each quote's tokens, (quotes,).

    It encodes nothing: token vectors are those of the whole passage, so they know what a
    sentence's "it" stands for. None when a quoted passage, or the question, has no token vectors.
    """
    if query.tokens is None or not len(query.tokens):
        return None
    asked = query.tokens.astype(np.float32)
    weights = np.ones(len(asked), dtype=np.float32) if query.weights is None else query.weights
    weights = weights / max(float(weights.sum()), 1e-9)
    cosines = [None if c.tokens is None else asked @ c.tokens.astype(np.float32).T for c in passages]
    starts = [[start for start, _ in spans(candidate.hit.passage.text)] for candidate in passages]
    similarity = np.zeros(len(found), dtype=np.float32)
    for i, quote in enumerate(found):
        known = cosines[quote.rank]
        if known is None or known.shape[1] != len(starts[quote.rank]):
            return None
        first, last = np.searchsorted(starts[quote.rank], (quote.start, quote.end))
        if first < last:
            similarity[i] = weights @ known[:, first:last].max(axis=1)
    return similarity
