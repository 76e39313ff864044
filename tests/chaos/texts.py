"""Documents whose chunks can be told beforehand, and questions whose answers are known."""

from dataclasses import dataclass
from functools import cache

from rag.parsing import plain
from rag.text.chunking import TokenChunker
from workers.embedding.minilm import tokenizer

CHUNK_TOKENS = 48
"""CHUNK_TOKENS of the stacks under attack: documents of several slices that are quick to embed."""

SLICE = 64
"""Chunks that ingestion works on at a time."""

_TRADES = ("miller", "glazier", "cooper", "farrier", "tanner", "chandler", "weaver", "mason")
_HARBOURS = ("Lindau", "Varel", "Marstal", "Ystad", "Kotka", "Pula", "Setubal", "Roscoff")
_GOODS = ("salt", "amber", "hemp", "tar", "cork", "barley", "copper", "wool")


@dataclass(frozen=True, slots=True)
class Fact:
    """A document of the library that nobody changes: what it says, what is asked, what answers."""

    document_id: str
    text: str
    question: str
    answer: str


FACTS = tuple(
    Fact(
        document_id=f"ledger-{harbour.lower()}",
        text=f"The harbour of {harbour} is known for its {good}. The harbour master of {harbour} is "
        f"the {trade} Anselm {harbour}son, who was elected in {1801 + 7 * n}.",
        question=f"Who is the harbour master of {harbour}?",
        answer=f"Anselm {harbour}son",
    )
    for n, (harbour, good, trade) in enumerate(zip(_HARBOURS, _GOODS, _TRADES, strict=True))
)


def document(name: str, edition: int, paragraphs: int) -> str:
    """A text of its own for every name and edition, about a chunk for each of its paragraphs."""
    return "\n\n".join(_paragraph(name, edition, n) for n in range(paragraphs))


def _paragraph(name: str, edition: int, n: int) -> str:
    harbour, trade = _HARBOURS[n % len(_HARBOURS)], _TRADES[(n // 8) % len(_TRADES)]
    return (
        f"Entry {n} of the log {name}, edition {edition}: a ship with {_GOODS[(n * 5) % 8]} left {harbour} "
        f"under the {trade}'s flag, and {n * 37 + edition} barrels were counted on the quay that evening."
    )


def chunks_of(text: str) -> int:
    """How many chunks ``text`` is cut into when it is sent as text."""
    return len(_chunker().chunk(plain.text(text.encode())))


@cache
def _chunker() -> TokenChunker:
    return TokenChunker(tokenizer(), CHUNK_TOKENS)
