"""How likely each quote answers a question, by words, by vectors, and by the kind of thing asked for.

The score is the sum of the log-odds of the quote's passage, the question's MaxSim over the quote's stored
token vectors, the share of the question's words in it weighted by rarity, and whether it holds the kind of
thing asked for. The coefficients are rounded from a conditional logit that was cross-validated by article of
SQuAD; the deductions are set by hand (``docs/decisions/0054-extractive-answers.md``).
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from rag.model import Candidate, Embedding, Vector
from rag.text.scripts import model_vote
from workers.generation.agreement import pinned_words
from workers.generation.expectation import asks_yes_or_no, expected, holds
from workers.generation.quotes import Quote
from workers.generation.rows import is_about
from workers.generation.words import content_words

_MEANING, _WORDING, _EXPECTED, _CONTEXT = 5.0, 5.0, 2.0, 2.0
_REPEATS, _REMARKS, _OF_ANOTHER = -6.0, -2.0, -4.0

_REMARK = re.compile(
    r"\W{0,3}(?:see(?: also)?\b|for (?:more|further|details)|note\b|note:|cf\.|siehe\b|vgl\.|hinweis\b|"
    r"weitere informationen|changed in version|new in version|deprecated since|véase\b|voir\b)",
    re.IGNORECASE,
)

TokenSpans = Callable[[str], Sequence[tuple[int, int]]]
"""For a text, the characters behind each row of its token vectors."""


def scores(
    question: str,
    query: Embedding,
    passages: Sequence[Candidate],
    found: Sequence[Quote],
    spans: TokenSpans | None,
) -> Vector:
    """For each quote, up to a constant the log of the chance that it answers ``question``.

    Whether it is about the very thing that is asked for is left to :mod:`workers.generation.agreement`.
    """
    asked, expectation = content_words(question), expected(question)
    chance = np.clip([quote.relevance for quote in found], 0.001, 0.999)
    total: Vector = np.log(chance / (1 - chance)).astype(np.float32)
    total += _wording(asked, pinned_words(question), found)
    total += np.array([_EXPECTED * holds(q.verbatim, expectation, asked) for q in found], np.float32)
    total += np.array(_emptiness(question, asked, found), np.float32)
    near = spans and token_similarity(query, passages, found, spans)
    if near is not None:
        total += _MEANING * model_vote(question) * near
    return total


def _wording(asked: AbstractSet[str], pinned: AbstractSet[str], found: Sequence[Quote]) -> Vector:
    """The share of the words ``asked`` in each quote and its label, and what its headings add to it.

    Words that few quotes have weigh more. Of a heading the ``pinned`` words count like the quote's own.
    """
    near = [subject(quote) | (quote.heading_words & pinned) for quote in found]
    frequency = Counter(word for words in near for word in words)
    rarity = {word: math.log(1 + (len(found) + 1) / (frequency[word] + 0.5)) for word in asked}
    total = sum(rarity.values()) or 1.0

    def share(words: Iterable[str]) -> float:
        return sum(rarity[word] for word in sorted(words)) / total

    return np.array(
        [
            _WORDING * share(asked & words) + _CONTEXT * share((asked & quote.heading_words) - words)
            for quote, words in zip(found, near, strict=True)
        ],
        dtype=np.float32,
    )


def subject(quote: Quote) -> frozenset[str]:
    """The words by which a question may ask for the quote.

    A whole list is asked for by its introduction and its heading. Its items are quotes themselves.
    """
    if not quote.whole:
        return quote.own_words | quote.label_words
    first = quote.parts[0]
    announced = quote.passage.text[first.start : first.end] if first.end < quote.end else ""
    intro = content_words(announced) if quote.is_announced else frozenset[str]()
    heading = content_words(quote.path[-1]) if quote.path else frozenset[str]()
    return intro | quote.label_words | heading


def _emptiness(question: str, asked: AbstractSet[str], found: Sequence[Quote]) -> list[float]:
    """What is to be taken off for quotes that say nothing beyond the question, or that lead elsewhere."""
    yes_or_no = asks_yes_or_no(question)
    about = [is_about(quote.cells, asked, content_words) for quote in found]
    of_another = [
        any(about) and bool(quote.cells) and not its for quote, its in zip(found, about, strict=True)
    ]
    return [
        _REPEATS * (quote.own_words <= asked and not yes_or_no)
        + _REMARKS * bool(_REMARK.match(quote.verbatim))
        + _OF_ANOTHER * another
        for quote, another in zip(found, of_another, strict=True)
    ]


def token_similarity(
    query: Embedding, passages: Sequence[Candidate], found: Sequence[Quote], spans: TokenSpans
) -> Vector | None:
    """The question's weighted MaxSim (Khattab & Zaharia 2020) over each quote's tokens, (quotes,).

    Tokens of its label count as its own. It encodes nothing: token vectors are those of the whole
    passage, so they know what a sentence's "it" stands for. None when a quoted passage, or the
    question, has no token vectors.
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
        rows = [np.searchsorted(starts[quote.rank], place) for place in _places(quote)]
        best = [known[:, first:last].max(axis=1) for first, last in rows if first < last]
        if best:
            similarity[i] = weights @ np.max(best, axis=0)
    return similarity


def _places(quote: Quote) -> list[tuple[int, int]]:
    """Where a quote and what it is about stand: its label; over a whole list its heading."""
    label, heading = quote.statement.label, quote.statement.heading
    about = [label.part] if label is not None else []
    about += [heading] if quote.whole and heading is not None else []
    return [(quote.start, quote.end), *((part.start, part.end) for part in about)]
