"""Settings of the models that embed, rerank and answer, and of their caches."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

EmbedderName = Literal["bundled", "jina", "ollama"]
RerankerName = Literal["bundled", "late-interaction", "jina"]
GeneratorName = Literal["extractive", "smollm2", "ollama", "openai"]


class ModelSettings(BaseSettings):
    """Embedding, reranking, generation, and their caches."""

    # --- embedding and reranking
    embedder: EmbedderName | None = Field(
        None,
        description="Embedder: bundled, jina or ollama. Unset: bundled where EMBEDDING_MODEL names a bundled model, jina with JINA_API_KEY or JINA_BASE_URL, else bundled.",
    )
    embedding_model: str = Field(
        "jina-embeddings-v3",
        pattern=r"^\S+$",
        description="Model that new collections are embedded with. Bundled: all-MiniLM-L6-v2 (what EMBEDDER=bundled takes by default; for English) and multilingual-e5-small (for texts or questions in other languages; three times the processor time). Other names are those of EMBEDDER=jina or ollama.",
    )
    vector_size: int = Field(
        1024,
        ge=8,
        le=8192,
        description="Dimensions of EMBEDDING_MODEL's vectors, requested from models that have a choice. The bundled ones have 384.",
    )
    reranker: RerankerName | None = Field(
        None,
        description="Reranker: bundled (a cross-encoder and late interaction), late-interaction (that alone: a tenth of the processor time) or jina. Unset: jina with JINA_API_KEY or JINA_BASE_URL, else bundled.",
    )
    reranker_model: str = Field(
        "jina-reranker-v2-base-multilingual",
        pattern=r"^\S+$",
        description="Model that RERANKER=jina asks for.",
    )
    jina_api_key: SecretStr | None = Field(
        None, description="Key of the Jina API, or of JINA_BASE_URL. Unset: bundled embedding and reranking."
    )
    jina_base_url: str | None = Field(
        None,
        description="Any endpoint of the same schema, such as http://host:8080/v1. Unset: Jina's own.",
    )
    jina_batch_tokens: int = Field(8000, ge=256, description="Tokens in one call to JINA_BASE_URL, about.")
    jina_batch_texts: int = Field(64, ge=1, le=2048, description="Texts in one call to JINA_BASE_URL.")
    jina_concurrency: int = Field(
        4,
        ge=1,
        description="Calls that one worker makes to JINA_BASE_URL at once, CONNECTION_POOL_SIZE at most.",
    )
    jina_timeout: float = Field(30, gt=0, description="Seconds that one call to JINA_BASE_URL may take.")
    jina_late_chunking: bool = Field(
        False,
        description="Whether a document's chunks are embedded in one context (late chunking), so that each knows of the others.",
    )
    min_relevance: float | None = Field(
        None,
        ge=0,
        le=1,
        description='Relevance of the best passage under which a question is answered with "not found". Unset: what suits the reranker (0.25 with the bundled ones, 0.2 with Jina\'s), and with OpenAI or Ollama the model itself decides.',
    )
    cache_ttl_seconds: float = Field(
        3600,
        ge=0,
        le=31_536_000,
        description="Seconds for which the embedding of a text is kept for the same text, and an answer for the same question while its collection does not change; 0: nothing is cached.",
    )
    cache_mb: int = Field(
        64,
        ge=1,
        description="MB of Redis that embeddings (20 KB a passage by the bundled model, 4 KB with 1,024 dimensions) and answers may take; the oldest go first, and all of them when the broker's memory is short.",
    )
    cache_sharing: Literal["all", "collection", "key"] = Field(
        "all",
        description="Who shares the caches' entries: all callers, those of one collection, or nobody beside the same key. The time of an answer may reveal whether another caller who shares them had the same text embedded, or asked the same question in the same collection.",
    )

    # --- generation
    generator: GeneratorName | None = Field(
        None,
        description="extractive, smollm2, ollama or openai. Unset: ollama with OLLAMA_URL, openai with GENERATOR_URL, else extractive.",
    )
    generator_url: str | None = Field(
        None,
        description="Base URL of an OpenAI-compatible server, such as https://host/v1, for GENERATOR=openai.",
    )
    generator_model: str | None = Field(
        None, description="Model that GENERATOR_URL answers with. Unset: the only one that the server lists."
    )
    generator_api_key: SecretStr | None = Field(None, description="Key of the server at GENERATOR_URL.")
    generator_max_tokens: int = Field(
        512, ge=16, description="Tokens that a generative model may write for one answer, with its reasoning."
    )
    generator_context_tokens: int = Field(
        3000, ge=200, description="Tokens of passages that a generative model is shown, about."
    )
    generator_timeout: float = Field(
        120, gt=0, description="Seconds that a generative model may take for one answer."
    )
    smollm2_port: int = Field(
        8911, ge=1, le=65535, description="Local port of the SmolLM2 server, for GENERATOR=smollm2."
    )
    ollama_url: str | None = Field(
        None, description="Ollama server, or several replicas with commas between. Unset: no Ollama."
    )
    ollama_model: str = Field(
        "deepseek-r1:7b", pattern=r"^\S+$", description="Model that Ollama answers with."
    )
    ollama_keep_alive: str = Field(
        "24h",
        min_length=1,
        description="How long Ollama keeps a model loaded after its last use, such as 24h, or -1 for ever.",
    )
    ollama_pull: bool = Field(
        False,
        description="Whether a model that OLLAMA_URL lacks is pulled at the start of a worker, within an hour.",
    )
    ollama_concurrency: int = Field(
        2, ge=1, description="Answers that one Ollama replica writes at once, over all workers; more wait."
    )
    ollama_max_context: int = Field(
        8192,
        ge=512,
        description="Tokens of context (num_ctx) that Ollama is asked for at most. As many as the usual prompt and answer take are asked for at every question, since another number has Ollama load the model anew.",
    )
