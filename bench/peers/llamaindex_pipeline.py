"""LlamaIndex: an ingestion pipeline with a splitter and an embedding, into its own vector store in memory."""

from collections.abc import Callable, Sequence

from llama_index.core import Document
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.vector_stores import SimpleVectorStore
from pydantic import PrivateAttr

from bench.peers.arguments import measure_pipeline
from bench.peers.encoder import Encoder

PASSAGE_TOKENS = 200  # about 800 characters, as the passages of Aegis


class MiniLMEmbedding(BaseEmbedding):
    """The encoder as LlamaIndex wants an embedding."""

    _encoder: Encoder = PrivateAttr()

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(model_name="all-MiniLM-L6-v2")
        self._encoder = encoder

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._encoder.encode([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._encoder.encode(texts)

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def make_pipeline(encoder: Encoder) -> Callable[[Sequence[str]], None]:
    """A function that ingests texts, a document each."""
    splitter = SentenceSplitter(chunk_size=PASSAGE_TOKENS, chunk_overlap=0)
    steps = [splitter, MiniLMEmbedding(encoder)]
    pipeline = IngestionPipeline(transformations=steps, vector_store=SimpleVectorStore(), disable_cache=True)

    def ingest(texts: Sequence[str]) -> None:
        pipeline.run(documents=[Document(text=text) for text in texts])

    return ingest


if __name__ == "__main__":
    measure_pipeline(make_pipeline)
