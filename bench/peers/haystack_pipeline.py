"""Haystack: a pipeline of splitter, embedder and writer, into its own document store in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from haystack import Document, Pipeline, component
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.writers import DocumentWriter
from haystack.document_stores.in_memory import InMemoryDocumentStore

from bench.peers.arguments import measure_pipeline
from bench.peers.encoder import Encoder

PASSAGE_WORDS = 130  # about 800 characters, as the passages of Aegis


@component
class MiniLMDocumentEmbedder:
    """The encoder as Haystack wants an embedder of documents."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, list[Document]]:
        vectors = self._encoder.encode([document.content or "" for document in documents])
        pairs = zip(documents, vectors, strict=True)
        return {"documents": [replace(document, embedding=vector) for document, vector in pairs]}


def make_pipeline(encoder: Encoder) -> Callable[[Sequence[str]], None]:
    """A function that ingests texts, a document each."""
    pipeline = Pipeline()
    splitter = DocumentSplitter(split_by="word", split_length=PASSAGE_WORDS, split_overlap=0)
    pipeline.add_component("splitter", splitter)
    pipeline.add_component("embedder", MiniLMDocumentEmbedder(encoder))
    pipeline.add_component("writer", DocumentWriter(InMemoryDocumentStore()))
    pipeline.connect("splitter.documents", "embedder.documents")
    pipeline.connect("embedder.documents", "writer.documents")

    def ingest(texts: Sequence[str]) -> None:
        pipeline.run({"splitter": {"documents": [Document(content=text) for text in texts]}})

    return ingest


if __name__ == "__main__":
    measure_pipeline(make_pipeline)
