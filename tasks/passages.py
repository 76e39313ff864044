"""The passages of a document that is there, out of its points."""

from rag.errors import UnknownCollection
from rag.model import Chunk, Collection, Document, DocumentVersion, Passage
from rag.naming import chunks_key
from rag.places import pack_places, places_of
from tasks.toolbox import Toolbox


def passages_of(tools: Toolbox, collection: Collection, document: Document) -> list[Passage]:
    """By index; none where they are not all there."""
    version = DocumentVersion(document.document_id, document.version)
    try:
        passages = tools.vectors.passages(collection.store, version)
    except UnknownCollection:
        return []
    return passages if len(passages) == document.chunks else []


def chunks_of(document: Document, passages: list[Passage]) -> list[Chunk]:
    """How many tokens each has is not known any more, but how many they have together."""
    share, rest = divmod(document.tokens, len(passages))
    return [
        Chunk(p.index, p.text, p.start, p.end, share + (p.index < rest), p.page, p.headings) for p in passages
    ]


def make_up_places(tools: Toolbox, collection: Collection, document: Document) -> None:
    """Note where the passages stand, for a document that an earlier version of Aegis has taken in."""
    key = chunks_key(document.text_key)
    if tools.blobs.exists(key):
        return
    if passages := passages_of(tools, collection, document):
        text = tools.blobs.get(document.text_key).decode()
        ids = [passage.chunk_id for passage in passages]
        tools.blobs.put(key, pack_places(places_of(text, chunks_of(document, passages), ids)))
