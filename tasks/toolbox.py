"""What tasks work with. ``workers.tools`` builds it; a lane's worker loads only what it uses."""

from typing import Protocol

from rag.ports import (
    BlobStore,
    Chunker,
    DocumentRegistry,
    Embedder,
    Generator,
    JobStore,
    Parser,
    Reranker,
    VectorStore,
)
from rag.settings import Settings


class Toolbox(Protocol):
    @property
    def settings(self) -> Settings: ...
    @property
    def jobs(self) -> JobStore: ...
    @property
    def documents(self) -> DocumentRegistry: ...
    @property
    def blobs(self) -> BlobStore: ...
    @property
    def vectors(self) -> VectorStore: ...
    @property
    def parser(self) -> Parser: ...
    @property
    def chunker(self) -> Chunker: ...
    @property
    def embedder(self) -> Embedder: ...
    @property
    def reranker(self) -> Reranker: ...
    @property
    def generator(self) -> Generator: ...
