"""Answers made of the fewest sentences that answer, word for word from the passages."""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from rag.inert import make_inert
from rag.model import Answer, Candidate, Citation, Vector
from rag.ports import GenerationRequest
from rag.prompting import NOT_FOUND
from workers.embedding import minilm
from workers.generation.expectation import expected, holds
from workers.generation.meaning import TokenSpans, meaning
from workers.generation.quotes import Quote, quotes
from workers.generation.words import content_words

_PASSAGES = 10
_MOST_QUOTES = 3
_ENOUGH = 0.6
_MEANING, _WORDING, _EXPECTED = 5.0, 5.0, 2.0


class ExtractiveGenerator:
    """The ``Generator`` port without a generative model.

    Each sentence of the passages gets a score, up to a constant the log of the chance that it
    holds the answer: the log-odds of its passage, the question's MaxSim over the sentence's
    stored token vectors, the share of the question's words in it weighted by rarity, and
    whether it holds the kind of thing asked for. The softmax over all sentences gives the
    chances; sentences are given, best first, until they have ``_ENOUGH`` chance together. The
    coefficients are rounded from a conditional logit that was cross-validated by article.
    """

    name = "extractive"
    reads_vectors = True

    def __init__(self, token_spans: TokenSpans | None = None, *, min_relevance: float) -> None:
        """``token_spans`` None, or a passage without token vectors: words alone are compared.

        ``min_relevance``: best passages under it are "not found".
        """
        self._token_spans = token_spans
        self._min_relevance = min_relevance

    def answer(self, request: GenerationRequest) -> Answer:
        """Emits a piece a sentence; joined they are the text. A cancelled request gets "not found"."""
        passages = request.passages[:_PASSAGES]
        relevant = max((c.hit.score for c in passages), default=0.0) >= self._min_relevance
        chosen = self._chosen(request, passages) if relevant and not request.cancelled() else []
        if not chosen:
            request.emit(NOT_FOUND)
            return Answer(NOT_FOUND, (), found=False)
        pieces = _pieces(chosen)
        for piece in pieces:
            request.emit(piece)
        return Answer("".join(pieces), tuple(map(_citation, range(1, len(chosen) + 1), chosen)), found=True)

    def warm(self) -> None:
        quotes(())
        if self._token_spans is not None:
            self._token_spans("ready")

    def _chosen(self, request: GenerationRequest, passages: Sequence[Candidate]) -> list[Quote]:
        found = quotes(passages, request.cancelled)
        if not found or request.cancelled():
            return []
        scores = _log_odds(found) + _WORDING * _wording(request.question, found)
        scores += _EXPECTED * _holding(request.question, found)
        near = self._token_spans and meaning(request.query, passages, found, self._token_spans)
        if near is not None:
            scores += _MEANING * near
        return _in_reading_order(_fewest(found, scores))


def _log_odds(found: Sequence[Quote]) -> Vector:
    chance = np.clip([quote.relevance for quote in found], 0.001, 0.999)
    odds: Vector = np.log(chance / (1 - chance)).astype(np.float32)
    return odds


def _wording(question: str, found: Sequence[Quote]) -> Vector:
    """Share of the question's words in each quote, weighted by how few of the quotes hold them."""
    asked = content_words(question)
    frequency = Counter(word for quote in found for word in quote.words)
    rarity = {word: math.log(1 + (len(found) + 1) / (frequency[word] + 0.5)) for word in asked}
    total = sum(rarity.values()) or 1.0
    shares = [sum(rarity[word] for word in sorted(asked & quote.words)) / total for quote in found]
    return np.array(shares, dtype=np.float32)


def _holding(question: str, found: Sequence[Quote]) -> Vector:
    """1 for each quote that holds the kind of thing asked for, else 0."""
    expectation, asked = expected(question), content_words(question)
    return np.array([holds(quote.verbatim, expectation, asked) for quote in found], dtype=np.float32)


def _fewest(found: Sequence[Quote], scores: Vector) -> list[Quote]:
    """The likeliest quotes, best first, as few as are ``_ENOUGH``; none repeats another."""
    chance = np.exp(scores - scores.max())
    chance /= chance.sum()
    chosen: list[Quote] = []
    together = 0.0
    for i in np.argsort(-chance, kind="stable"):
        if together >= _ENOUGH or len(chosen) == _MOST_QUOTES:
            break
        together += float(chance[i])
        if not any(found[i].says_the_same_as(other) for other in chosen):
            chosen.append(found[i])
    return chosen


def _in_reading_order(chosen: Sequence[Quote]) -> list[Quote]:
    """Passages by their best quote, quotes of one passage as they stand in it."""
    ranks = list(dict.fromkeys(quote.rank for quote in chosen))
    return sorted(chosen, key=lambda quote: (ranks.index(quote.rank), quote.start))


def _pieces(chosen: Sequence[Quote]) -> list[str]:
    readings = [quote.reading() for quote in chosen]
    breaks = "\n" if any("\n" in reading for reading in readings) else " "
    return make_inert(f"{breaks if n > 1 else ''}{reading} [{n}]" for n, reading in enumerate(readings, 1))


def _citation(n: int, quote: Quote) -> Citation:
    start = quote.passage.start
    return Citation(n, quote.passage, start + quote.start, start + quote.end, quote.verbatim, quote.relevance)


def generator(min_relevance: float) -> ExtractiveGenerator:
    """The default. Token vectors are read where the bundled embedder made them.

    Only its tokenizer is loaded.
    """
    tokenizer = minilm.tokenizer()
    return ExtractiveGenerator(lambda text: minilm.token_spans(tokenizer, text), min_relevance=min_relevance)
