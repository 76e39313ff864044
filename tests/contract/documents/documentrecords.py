"""Documents for the suites of the registry, and how many a collection has."""

from dataclasses import replace

from rag.model import Document
from rag.ports import DocumentRegistry

MODEL = "all-MiniLM-L6-v2"


def document(document_id: str = "a", version: int = 1, **changes: object) -> Document:
    plain = Document(
        document_id=document_id,
        collection="docs",
        generation=1,
        version=version,
        fingerprint="f" * 64,
        title="Die Wärme – «title»",
        media_type="text/plain",
        source_key="sources/a",
        text_key="texts/a",
        chunks=3,
        tokens=300,
        created_at=1.5,
        updated_at=2.5,
        metadata={"tags": ["x", "ü"], "empty": {}, "year": 2020, "none": None},
    )
    return replace(plain, **changes)


def published(documents: DocumentRegistry, document_id: str = "a", **changes: object) -> Document:
    version = documents.next_version("docs", document_id)
    made = document(document_id, version, **changes)
    assert documents.publish(made)
    return made


def counts(documents: DocumentRegistry) -> tuple[int, int]:
    collection = documents.collection("docs")
    assert collection is not None
    return collection.documents, collection.chunks
