"""The bundled cross-encoder, fused with late interaction, which chooses what it reads."""

from collections.abc import Sequence
from dataclasses import replace

from rag.ports import RerankRequest
from rag.text.context import text_in_context
from rag.text.scripts import latin_share
from workers.reranking.cross_encoder.model import CrossEncoder
from workers.reranking.cross_encoder.pairs import Pair
from workers.reranking.late_interaction import LateInteraction
from workers.reranking.pins import pinned_shares
from workers.reranking.relevance import Evidence, relevances
from workers.reranking.selection import worth_reading

LEAST_LATIN = 0.5
"""Share of Latin letters in a text that the cross-encoder, which learnt English, can judge."""


class BundledReranker:
    """The ``Reranker`` port on the bundled models.

    The cross-encoder reads the most promising candidates, each below the lines that say where it stands. It
    has no say about a question or a passage in another script than its own.
    """

    def __init__(
        self,
        late_interaction: LateInteraction,
        cross_encoder: CrossEncoder,
        metadata_fields: Sequence[str] = (),
    ) -> None:
        self.name = f"bundled-{cross_encoder.name}"
        self.reads_vectors = late_interaction.stored
        # recall@10 is .976 with 10 and .986 with 30, for 5 ms more where vectors are stored
        self.least_candidates = 30 if late_interaction.stored else 10
        self._late_interaction = late_interaction
        self._cross_encoder = cross_encoder
        self._fields = metadata_fields

    def relevance(self, requests: Sequence[RerankRequest]) -> list[list[float]]:
        told = zip(requests, self._late_interaction.evidence(requests), strict=True)
        pinned = [(each.question, self._pinned(each.question, evidence)) for each, evidence in told]
        return [relevances(self._read(question, evidence)) for question, evidence in pinned]

    def warm(self) -> None:
        self._late_interaction.warm()
        self._cross_encoder.warm()

    def _pinned(self, question: str, evidence: Sequence[Evidence]) -> list[Evidence]:
        shares = pinned_shares(question, [each.passage for each in evidence], self._fields)
        return [replace(each, pinned=share) for each, share in zip(evidence, shares, strict=True)]

    def _read(self, question: str, evidence: list[Evidence]) -> list[Evidence]:
        """The evidence with the logits of the passages that are worth reading."""
        if latin_share(question) < LEAST_LATIN:
            return evidence
        reader = self._cross_encoder.reader
        ids = reader.question(question)
        chosen: dict[int, Pair] = {}
        for place in worth_reading(evidence):
            passage = evidence[place].passage
            if latin_share(passage.text) >= LEAST_LATIN:
                chosen[place] = reader.pair(ids, text_in_context(passage, self._fields))
        logits = dict(zip(chosen, self._cross_encoder.logits(list(chosen.values())), strict=True))
        return [replace(each, logit=logits.get(place)) for place, each in enumerate(evidence)]
