"""Points, from chunks and their embeddings."""

from rag import lexical
from rag.model import Chunk, CollectionSpec, Embedding, Job, Passage, Point
from rag.naming import point_id


def spec_of(embedding: Embedding) -> CollectionSpec:
    tokens = embedding.tokens
    return CollectionSpec(len(embedding.dense), None if tokens is None else tokens.shape[1])


def point_of(job: Job, title: str, chunk: Chunk, embedding: Embedding) -> Point:
    """Words of the title and of the headings count for the lexical search of each of their chunks."""
    document_id, version = job.inputs["document_id"], job.inputs["version"]
    named = job.inputs["title"] or ""
    passage = Passage(
        chunk_id=point_id(job.collection, document_id, version, chunk.index),
        document_id=document_id,
        version=version,
        index=chunk.index,
        text=chunk.text,
        title=title,
        start=chunk.start,
        end=chunk.end,
        page=chunk.page,
        headings=chunk.headings,
        metadata=job.inputs["metadata"],
    )
    sparse = lexical.encode_passage("\n".join((named, *chunk.headings, chunk.text)))
    return Point(passage, embedding.dense, sparse, embedding.tokens)
