"""What an installation holds, as its stores tell: digests, and hits of questions."""

from collections.abc import Iterable, Mapping

import pytest

from rag.backups.digest import ContentDigest, digests
from rag.model import Collection, DocumentVersion, SearchQuery
from tasks.toolbox import Toolbox

_PAGE = 256

Content = dict[str, ContentDigest]
Hits = list[list[tuple[str, float]]]


def content_of(tools: Toolbox) -> Content:
    """Of the documents that searches see, by collection."""
    return {each.name: _digest_of(tools, each) for each in tools.documents.collections()}


def hits_of(tools: Toolbox, collection: str, questions: Iterable[SearchQuery]) -> Hits:
    """Chunks and scores, best first, of each question."""
    found = tools.documents.collection(collection)
    assert found is not None
    answers = (tools.vectors.search(found.store, question) for question in questions)
    return [[(hit.passage.chunk_id, hit.score) for hit in hits] for hits in answers]


def assert_same_hits(found: Hits, before: Hits) -> None:
    """The same chunks in the same order.

    Of scores the last bits may differ: the engine sums hundreds of terms in 32 bits, in no certain order.
    """
    assert [[chunk for chunk, _ in hits] for hits in found] == [
        [chunk for chunk, _ in hits] for hits in before
    ]
    scores = [score for hits in before for _, score in hits]
    assert [score for hits in found for _, score in hits] == pytest.approx(scores, rel=1e-5)


def total(parts: Mapping[DocumentVersion, ContentDigest]) -> ContentDigest:
    return sum(parts.values(), ContentDigest())


def _digest_of(tools: Toolbox, collection: Collection) -> ContentDigest:
    found, after = dict[DocumentVersion, ContentDigest](), None
    while True:
        window = tools.vectors.scroll(collection.store, after=after, limit=_PAGE)
        for version, digest in digests(window.items).items():
            found[version] = found.get(version, ContentDigest()) + digest
        if (after := window.next) is None:
            stale = tools.documents.stale(collection.name, found)
            return total({version: digest for version, digest in found.items() if version not in stale})
