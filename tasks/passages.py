"""The passages of a document that is there, out of its points."""

from rag.errors import NotFound, UnknownCollection
from rag.model import Chunk, Collection, Document, DocumentVersion, Passage
from rag.naming import chunks_key
from rag.places import unpack_places
from tasks.toolbox import Toolbox


def passages_of(tools: Toolbox, collection: Collection, document: Document) -> list[Passage]:
    """By index; none where they are not all there."""
    version = DocumentVersion(document.document_id, document.version)
    try:
        passages = tools.vectors.passages(collection.store, version)
    except UnknownCollection:
        return []
    return passages if len(passages) == document.chunks else []


def chunks_of(tools: Toolbox, document: Document, passages: list[Passage]) -> list[Chunk]:
    """The passages as they were cut, with the tokens that each was found to have."""
    tokens = _tokens_of(tools, document, len(passages))
    return [Chunk(p.index, p.text, p.start, p.end, tokens[p.index], p.page, p.headings) for p in passages]


def _tokens_of(tools: Toolbox, document: Document, count: int) -> list[int]:
    """Of a document from before its passages' places were kept, an even share of what all have together."""
    try:
        return [place.tokens for place in unpack_places(tools.blobs.get(chunks_key(document.text_key)))]
    except NotFound:
        share, rest = divmod(document.tokens, count)
        return [share + (index < rest) for index in range(count)]
