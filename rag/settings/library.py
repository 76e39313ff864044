"""Settings of documents, retrieval, the vector store and blobs."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class LibrarySettings(BaseSettings):
    """Documents, retrieval, the vector store, blobs."""

    # --- documents
    collection_name: str = Field("aegis_docs_v2", description="Collection of calls that name none.")
    parse_timeout: float = Field(
        120, gt=0, description="Seconds that parsing one file, and cutting it into passages, may take."
    )
    parse_memory_mb: int = Field(1536, ge=256, description="MB of memory that parsing one file may take.")
    parse_isolation: Literal["strict", "available"] = Field(
        "available",
        description="What the processes that read files must be held by: every mechanism that `aegis doctor` lists (strict: without one of them no file is read, and the worker does not start; small texts are read in them too), or those that this system has (available).",
    )
    ocr: Literal["off", "auto", "always"] = Field(
        "auto",
        description="Which pages have their text recognised: none (off); pictures and the pages of a PDF that have no text of their own, where the recognition is installed (auto); every page of a PDF (always).",
    )
    ocr_timeout: float = Field(
        default_factory=lambda known: min(600.0, known["stage_timeout"] * 2 / 3),
        gt=0,
        description="Seconds that recognising the text of one file may take, about four for a page. Pages that are left over are named in the job's result. Unset: 600, or two thirds of STAGE_TIMEOUT where that is less.",
    )
    ocr_memory_mb: int = Field(
        2048, ge=512, description="MB of memory that recognising the text of one file may take."
    )
    max_text_mb: int = Field(32, ge=1, description="MB of text that one document may hold after parsing.")
    chunk_tokens: int = Field(
        200,
        ge=32,
        description="Largest passage, in tokens as the bundled model counts them, of which it reads 254; a model that reads fewer than this is refused. A word in other than Latin letters counts 1.5.",
    )
    max_documents_per_key: int = Field(
        0, ge=0, description="Documents that one API key may keep; more get 403. 0: any number."
    )
    max_mb_per_key: int = Field(
        0,
        ge=0,
        description="MB of documents, as they were sent, that one API key may keep; more get 403. 0: any number.",
    )
    max_collections: int = Field(
        1_000, ge=1, description="Most collections; a call that would make another gets 403."
    )
    max_metadata_mb: int = Field(
        64,
        ge=1,
        description="MB that the metadata of one document may take in the vector store, where each of its passages has all of it; a document with more fails.",
    )
    fetch_timeout: float = Field(
        30,
        gt=0,
        description="Seconds that fetching a document given by url may take, from the resolution of its host's name to its last byte.",
    )
    fetch_private_addresses: bool = Field(
        False,
        description="Whether documents given by url may come from private or loopback addresses. Link-local and metadata addresses, and this installation's own ports, stay refused.",
    )

    # --- retrieval
    top_k_retrieval: int = Field(
        10, ge=1, le=1000, description="Passages retrieved for a query that names no top_k."
    )
    max_top_k: int = Field(
        1_000, ge=1, le=1_000, description="Largest top_k that a query may ask for; more gets 422."
    )
    max_top_n: int = Field(
        200,
        ge=1,
        le=1_000,
        description="Largest top_n that a query may ask for; more gets 422. A result takes about 1 MB: where passages and their metadata are more, texts are cut, then the last passages left out.",
    )
    top_k_rerank: int = Field(
        3, ge=1, le=1000, description="Passages kept after reranking for a query that names no top_n."
    )

    context_metadata: tuple[str, ...] = Field(
        (),
        description="Metadata fields, such as product,version, whose values tell what a passage is about, as its title and its headings do: they count in the search, in reranking and in the prompts of generative models. Of documents that are there already, from the next `aegis reindex` on.",
    )

    # --- Qdrant
    qdrant_url: str | None = Field(
        None,
        description="Qdrant server (1.16 or later), such as https://qdrant:6333, or several nodes of one cluster with commas between: when one goes away, the next is asked. Backups need the address of every node. Unset: the embedded engine.",
    )
    qdrant_api_key: SecretStr | None = Field(None, description="Key of the server at QDRANT_URL.")
    qdrant_ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust at QDRANT_URL, for one with a private authority."
    )
    qdrant_grpc: bool = Field(False, description="Whether to speak gRPC to QDRANT_URL, instead of REST.")
    qdrant_grpc_port: int = Field(6334, ge=1, le=65535, description="Port of gRPC at QDRANT_URL's hosts.")
    qdrant_timeout: float = Field(
        30,
        gt=0,
        description="Seconds that one call to Qdrant may take; of several addresses each gets its share.",
    )
    qdrant_shards: int | None = Field(
        None, ge=1, description="Shards of a new collection. Unset: one for each node."
    )
    qdrant_replication_factor: int = Field(
        2, ge=1, description="Nodes that hold each shard of a new collection, as far as there are so many."
    )
    qdrant_write_consistency_factor: int = Field(
        1, ge=1, description="Nodes that must have taken a write before it counts."
    )
    qdrant_quantization: Literal["none", "scalar", "binary"] = Field(
        "none",
        description="How a new collection compresses dense vectors for searching: scalar (int8, a quarter of the memory) or binary (a thirty-second, for 1,024 dimensions and more). Results are scored again with the full vectors.",
    )
    qdrant_hnsw_m: int = Field(16, ge=0, le=128, description="Edges a node in a new collection's graph.")
    qdrant_hnsw_ef_construct: int = Field(
        100, ge=4, le=2000, description="Neighbours weighed when a new collection's graph is built."
    )
    qdrant_on_disk: bool = Field(
        False, description="Whether a new collection keeps dense vectors on disk instead of in memory."
    )
    tenant_field: str = Field(
        "tenant",
        pattern="^[A-Za-z0-9_-]{1,64}$",
        description="Metadata field that names a document's tenant. Qdrant stores the passages of each tenant together, so filters on it are fast.",
    )
    reindex_keep_hours: float = Field(
        24,
        ge=0,
        description="Hours after a change of the embedding model for which the old vectors are kept, and kept up to date, so that the change can be undone.",
    )

    # --- blobs
    blob_url: str | None = Field(
        None,
        description="file:///…, s3://bucket/prefix, az:// or gs://, see docs/reference/blobs.md. Unset: a folder in AEGIS_HOME.",
    )
    journal: Literal["all", "documents"] | None = Field(
        None,
        description="Which jobs are also stored at BLOB_URL, so that they survive the loss of the broker's data: all, or only those about documents. Unset: all with a folder; documents with object storage, where each question would take tens of ms longer.",
    )
    blob_encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        None, description="Server-side encryption asked for with every write to S3. Unset: the bucket's own."
    )
    blob_kms_key: str | None = Field(
        None, description="KMS key for BLOB_ENCRYPTION=aws:kms. Unset: the account's own for S3."
    )
    aws_allow_http: bool = Field(
        False,
        description="Whether AWS_ENDPOINT_URL may be http://, without TLS. For servers of your own network.",
    )
