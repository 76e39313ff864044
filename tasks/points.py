"""Points, from chunks and their embeddings."""

from rag import lexical
from rag.model import Chunk, CollectionSpec, Embedding, Job, Passage, Point
from rag.naming import point_id


def spec_of(embedding: Embedding) -> CollectionSpec:
    tokens = embedding.tokens
    return CollectionSpec(len(embedding.dense), None if tokens is None else tokens.shape[1])


def passage_of(job: Job, title: str, chunk: Chunk) -> Passage:
    """A chunk of the document that an ingestion brings."""
    document_id, version = job.inputs["document_id"], job.inputs["version"]
    return Passage(
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


def point_of(passage: Passage, embedding: Embedding, given_title: str) -> Point:
    """Words of the given title and of the headings count for the lexical search of each of their passages."""
    sparse = lexical.encode_passage("\n".join((given_title, *passage.headings, passage.text)))
    return Point(passage, embedding.dense, sparse, embedding.tokens)
