"""Samples to compare two layouts by: sentences whose passage is known, and questions that were asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

from rag.bounds import LONGEST_PASSAGE
from rag.model import DocumentVersion, JobKind, JobState, Passage
from rag.ports import JobStore

SENTENCES = 64
QUESTIONS = 36
_LOOKED_AT = 500
_SHORTEST, _LONGEST = 30, 300
"""Characters of a sentence that says enough to be found by, and not more than a question would."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """A sentence, and the passage that it was taken from."""

    rank: str
    chunk_id: str
    document_id: str
    version: int
    sentence: str

    @property
    def document(self) -> DocumentVersion:
        return DocumentVersion(self.document_id, self.version)


@dataclass(frozen=True, slots=True)
class Sample:
    """At most ``SENTENCES`` sentences, of the passages whose ids have the lowest digests.

    So the sample is even over the collection, and adding a passage again changes nothing.
    """

    specimens: tuple[Specimen, ...] = ()

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """The inverse of ``dataclasses.asdict``."""
        return cls(tuple(Specimen(**each) for each in fields["specimens"]))

    def with_passages(self, passages: Iterable[Passage]) -> "Sample":
        chosen = {each.chunk_id: each for each in self.specimens}
        highest = max((each.rank for each in self.specimens), default="")
        for passage in passages:
            rank = blake2b(passage.chunk_id.encode(), digest_size=8).hexdigest()
            sentence = sentence_of(passage) if len(chosen) < SENTENCES or rank < highest else None
            if sentence:
                chosen[passage.chunk_id] = Specimen(
                    rank, passage.chunk_id, passage.document_id, passage.version, sentence
                )
        return Sample(tuple(sorted(chosen.values(), key=lambda each: each.rank)[:SENTENCES]))


def questions_of(jobs: JobStore, collection: str) -> list[str]:
    """Distinct questions that were answered lately, over the whole collection, without a filter."""
    window = jobs.page(
        states=[JobState.SUCCEEDED],
        kinds=[JobKind.QUERY],
        collections=[collection],
        cursor=None,
        limit=_LOOKED_AT,
    )
    unfiltered: Sequence[str] = [job.inputs["question"] for job in window.items if not job.inputs["where"]]
    return list(dict.fromkeys(unfiltered))[:QUESTIONS]


def sentence_of(passage: Passage) -> str | None:
    """The longest one of the passage that says enough, and no more than a question would."""
    from rag.sentences import sentences  # noqa: PLC0415 - every worker imports this module, few need that one

    text = passage.text[:LONGEST_PASSAGE]
    cut = (" ".join(text[each.start : each.end].split()) for each in sentences(text))
    fitting = [sentence for sentence in cut if _SHORTEST <= len(sentence) <= _LONGEST]
    return max(fitting, key=len, default=None)
