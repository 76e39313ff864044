"""How much text of hits goes through the stages of a question and into its result."""

from collections.abc import Sequence
from dataclasses import replace

from rag.model import Hit, Passage

LONGEST_PASSAGE = 16_384
"""Characters. Passages are cut to less; those of earlier versions may hold megabytes of white space."""
_ALL_PASSAGES = 4 << 20


def bounded(hits: Sequence[Hit]) -> list[Hit]:
    """``hits`` with at most 16,384 characters of text each, 4 Mi together; ``end`` is the text's."""
    longest = min(LONGEST_PASSAGE, _ALL_PASSAGES // max(1, len(hits)))
    return [Hit(_beginning(hit.passage, longest), hit.score) for hit in hits]


def _beginning(passage: Passage, longest: int) -> Passage:
    if len(passage.text) <= longest:
        return passage
    text = passage.text[:longest].rstrip() or passage.text[:longest]
    return replace(passage, text=text, end=passage.start + len(text))
