"""The bundled cross-encoder, fused with late interaction, which chooses what it reads."""

from collections.abc import Sequence
from dataclasses import replace

from rag.ports import RerankRequest
from rag.text.context import context_above, text_in_context
from rag.text.scripts import NONE, latin_share
from workers.reranking.asking import plainly
from workers.reranking.cross_encoder.model import CrossEncoder
from workers.reranking.cross_encoder.pairs import Pair
from workers.reranking.late_interaction import LateInteraction, comparable
from workers.reranking.meaning import relevances_by_meaning
from workers.reranking.pins import pinned_shares
from workers.reranking.relevance import MANY, Evidence, relevances, strength_of
from workers.reranking.selection import worth_reading
from workers.reranking.stretches import nearest_stretches
from workers.reranking.votes import vote_on
from workers.reranking.words import absent_kinds

LEAST_LATIN = 0.5
"""Share of Latin letters in a text that the cross-encoder, which learnt English, can judge."""

SURE = 2.0
"""The logit from which a passage answers. Where none has it, single stretches of the passages are read."""

CLOSER_LOOKS = 3
STRETCHES = 2
"""Passages of which stretches are read, and stretches of each: about 5 ms a stretch."""


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
        asked = [comparable(plainly(each)) for each in requests]
        told = zip(requests, asked, self._late_interaction.evidence(asked), strict=True)
        return [
            self._judged(core.question, self._pinned(whole.question, evidence), core.model)
            for whole, core, evidence in told
        ]

    def warm(self) -> None:
        self._late_interaction.warm()
        self._cross_encoder.warm()

    def _pinned(self, question: str, evidence: Sequence[Evidence]) -> list[Evidence]:
        shares = pinned_shares(question, [each.passage for each in evidence], self._fields)
        return [replace(each, pinned=share) for each, share in zip(evidence, shares, strict=True)]

    def _judged(self, question: str, evidence: list[Evidence], model: str) -> list[float]:
        passages = [each.passage for each in evidence]
        vote = vote_on(question, passages, model)
        absent = absent_kinds(question, passages, self._fields)
        if vote.meaning:
            return relevances_by_meaning(evidence, absent, vote.meaning, vote.by_chance)
        read = evidence if vote.models == NONE else self._read(question, evidence, vote.models)
        searched = len(evidence) if len(evidence) < self.least_candidates else MANY
        return relevances(read, vote.models, absent, vote.by_chance, searched=searched)

    def _read(self, question: str, evidence: list[Evidence], vote: float) -> list[Evidence]:
        """The evidence with the logits of the passages that are worth reading."""
        reader = self._cross_encoder.reader
        ids, fields = reader.question(question), self._fields
        chosen: dict[int, Pair] = {}
        for place in worth_reading(evidence, vote):
            passage = evidence[place].passage
            if latin_share(passage.text) >= LEAST_LATIN:
                chosen[place] = reader.pair(ids, text_in_context(passage, fields))
        read = list(evidence)
        for place, logit in zip(chosen, self._cross_encoder.logits(list(chosen.values())), strict=True):
            read[place] = _with_reading(read[place], logit, len(read[place].passage.text))
        if chosen and max(each.logit for each in read if each.logit is not None) < SURE:
            self._look_closer(ids, read, list(chosen)[:CLOSER_LOOKS])
        return read

    def _look_closer(self, question: list[int], read: list[Evidence], places: Sequence[int]) -> None:
        """Read the stretches of the passages at ``places`` that come nearest to the question."""
        reader, pairs = self._cross_encoder.reader, list[tuple[int, str, Pair]]()
        for place in places:
            passage, near = read[place].passage, read[place]
            spans = reader.spans(passage.text)
            above = context_above(passage, self._fields)
            for stretch in nearest_stretches(passage.text, spans, near.similarity, near.weights, STRETCHES):
                pairs.append((place, stretch, reader.pair(question, "\n".join((*above, stretch)))))
        found = self._cross_encoder.logits([pair for _, _, pair in pairs])
        for (place, stretch, _), logit in zip(pairs, found, strict=True):
            read[place] = _with_reading(read[place], logit, len(stretch))


def _with_reading(evidence: Evidence, logit: float, characters: int) -> Evidence:
    """The evidence after one more reading of the passage, or of a part of it with so many characters."""
    strength = strength_of(logit, characters)
    before = evidence.logit, evidence.strength
    return replace(
        evidence,
        logit=logit if before[0] is None else max(before[0], logit),
        strength=strength if before[1] is None else max(before[1], strength),
    )
