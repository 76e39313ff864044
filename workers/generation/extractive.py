"""Answers made of as few sentences as possible, quoted from the passages."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from rag.model import Answer, Candidate
from rag.ports import GenerationRequest
from rag.text.inert import make_inert
from workers.embedding import minilm
from workers.generation.agreement import agreements
from workers.generation.comparison import comparison_of
from workers.generation.completion import complete, newest_first, sources
from workers.generation.quotes import Quote, quotes
from workers.generation.refusals import refusal_of, refuse, unstated
from workers.generation.scoring import TokenSpans, scores
from workers.generation.selection import choose
from workers.generation.words import content_words

_PASSAGES = 10


class ExtractiveGenerator:
    """The ``Generator`` port without a generative model.

    Each quote of the passages gets a score, up to a constant the log of the chance that it holds the answer
    (:mod:`workers.generation.scoring`). What is about another thing than the question is left out
    (:mod:`workers.generation.agreement`). The answer takes the fewest quotes that probably hold it
    (:mod:`workers.generation.selection`), with what they need to be understood
    (:mod:`workers.generation.completion`).
    """

    name = "extractive"
    reads_vectors = True

    def __init__(
        self,
        token_spans: TokenSpans | None = None,
        *,
        min_relevance: float,
        metadata_fields: Sequence[str] = (),
    ) -> None:
        """With ``token_spans`` None, or a passage without token vectors, only words are compared.

        ``min_relevance``: where no passage reaches it, the answer is "not found". ``metadata_fields``: of
        passages that tell what they are about.
        """
        self._token_spans = token_spans
        self._fields = tuple(metadata_fields)
        self._min_relevance = min_relevance

    def answer(self, request: GenerationRequest) -> Answer:
        """Emits one piece per quote; joined they are the text. A cancelled request gets "not found"."""
        passages = request.passages[:_PASSAGES]
        if refusal := refusal_of(request, self._min_relevance, self._fields):
            return refuse(request, refusal)
        chosen = [] if request.cancelled() else self._choose_quotes(request, passages)
        if not chosen:
            return refuse(request, unstated(request, self._fields))
        cited = _cited(chosen, content_words(request.question))
        pieces = make_inert(cited)
        for piece in pieces:
            request.emit(piece)
        citations = tuple(quote.citation(n) for n, quote in enumerate(chosen, 1))
        return Answer("".join(pieces), citations)

    def warm(self) -> None:
        quotes(())
        if self._token_spans is not None:
            self._token_spans("ready")

    def _choose_quotes(self, request: GenerationRequest, passages: Sequence[Candidate]) -> list[Quote]:
        asked = content_words(request.question)
        found = [each for each in quotes(passages, request.cancelled) if each.tells_more_than(asked)]
        if not found or request.cancelled():
            return []
        question = request.question
        scored = scores(question, request.query, passages, found, self._token_spans)
        agreed = agreements(question, found)
        chosen = choose(found, scored + agreed, agreed, comparison_of(question))
        return complete(newest_first(chosen), found)


def _cited(chosen: Sequence[Quote], asked: AbstractSet[str]) -> Iterator[str]:
    """The quotes as an answer shows them, each with its number, and with its source where sources differ."""
    readings = [
        f"{name}: {reading}" if name else reading
        for name, reading in zip(sources(chosen), (quote.reading(asked) for quote in chosen), strict=True)
    ]
    gap = "\n" if any("\n" in reading for reading in readings) else " "
    for n, reading in enumerate(readings, 1):
        yield f"{gap if n > 1 else ''}{reading} [{n}]"


def generator(min_relevance: float, metadata_fields: Sequence[str] = ()) -> ExtractiveGenerator:
    """The default generator. Loads only the bundled embedder's tokenizer, to read its token vectors."""
    tokenizer = minilm.tokenizer()
    return ExtractiveGenerator(
        lambda text: minilm.token_spans(tokenizer, text),
        min_relevance=min_relevance,
        metadata_fields=metadata_fields,
    )
