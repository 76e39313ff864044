"""Embedder, reranker and generator: each is given a little of its real work."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from time import perf_counter

from cli.examination.finding import Finding, found, milliseconds, timed
from rag.errors import ModelError
from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import Embedder, GenerationRequest, Generator, Reranker, RerankRequest
from rag.settings import Settings
from tasks.layouts import embedder_for
from tasks.toolbox import Toolbox
from workers.generation import generator_for

_QUESTION = "What colour is the lamp of the lighthouse?"
_TEXTS = ("The lamp of the lighthouse is green.", "Invoices are paid within thirty days.")
_FEW = 4  # pieces of an answer

_FAR = "see its address, its key, and whether the server runs"
_BUNDLED = "aegis setup"


def examine(settings: Settings, tools: Toolbox) -> Iterator[Finding]:
    """One finding a role; of Ollama, one a replica."""
    embedder = found(
        "embedder", lambda: _embedder(embedder_for(tools, None, fresh=True)), _remedy(settings.embedded_by)
    )
    yield embedder
    if embedder.state != "ok":
        yield Finding("reranker", "note", "not tried, since it needs the embedder")
        yield Finding("generator", "note", "not tried, since it needs the embedder")
        return
    tried = _Tried.by(embedder_for(tools, None, fresh=True))
    yield found("reranker", lambda: _reranker(tools.reranker, tried), _remedy(settings.reranked_by))
    yield from _generators(settings, tried)


@dataclass(frozen=True, slots=True)
class _Tried:
    """The question, and the passages of which the first one answers it."""

    query: Embedding
    candidates: tuple[Candidate, ...]

    @classmethod
    def by(cls, embedder: Embedder) -> "_Tried":
        (query,) = embedder.embed_queries([_QUESTION])
        embeddings = embedder.embed_passages(_TEXTS)
        pairs = enumerate(zip(_TEXTS, embeddings, strict=True))
        candidates = tuple(_candidate(index, text, embedding) for index, (text, embedding) in pairs)
        return cls(query, candidates)


def _candidate(index: int, text: str, embedding: Embedding) -> Candidate:
    passage = Passage(
        chunk_id=str(index), document_id="doctor", version=1, index=0, text=text, title="", start=0,
        end=len(text),
    )  # fmt: skip
    return Candidate(Hit(passage, 1.0 - index), embedding.dense, embedding.tokens)


def _embedder(embedder: Embedder) -> Finding:
    embedder.warm()
    (embedding,), ms = timed(lambda: embedder.embed_queries([_QUESTION]))
    size = len(embedding.dense)
    if size != embedder.dimension:
        raise ModelError(
            f"{embedder.name} gives {size} dimensions, not {embedder.dimension}: set VECTOR_SIZE"
        )
    return Finding("embedder", "ok", f"{embedder.name}: a question has {size} dimensions", ms=ms)


def _reranker(reranker: Reranker, tried: _Tried) -> Finding:
    reranker.warm()
    request = RerankRequest(_QUESTION, tried.query, tried.candidates)
    ((right, wrong),), ms = timed(lambda: reranker.relevance([request]))
    text = f"{reranker.name}: gives the right passage {right:.2f}, another {wrong:.2f}"
    if right <= wrong:
        return Finding("reranker", "bad", text, "see RERANKER_MODEL", ms)
    return Finding("reranker", "ok", text, ms=ms)


def _generators(settings: Settings, tried: _Tried) -> Iterator[Finding]:
    remedy = _remedy(settings.answered_by)
    if settings.answered_by != "ollama":
        yield found("generator", lambda: _generator("generator", generator_for(settings), tried), remedy)
        return
    for replica in settings.ollama_replicas:
        yield found(f"generator {replica}", lambda: _replica(settings, replica, tried), remedy)  # noqa: B023 - called here


def _replica(settings: Settings, url: str, tried: _Tried) -> Finding:
    """Of one Ollama server by itself; nothing is pulled for it."""
    from cli.examination.ollama import holding  # noqa: PLC0415 - for those who have one

    alone = settings.model_copy(update={"ollama_url": url, "ollama_pull": False})
    finding = _generator(f"generator {url}", generator_for(alone), tried)
    return replace(finding, text=f"{settings.ollama_model} {holding(settings, url)}: the first words came")


def _generator(part: str, generator: Generator, tried: _Tried) -> Finding:
    """``ms``: until the first piece of its answer, or all of it where it comes in one piece."""
    generator.warm()
    listener = _Listener()
    generator.answer(
        GenerationRequest(_QUESTION, tried.query, tried.candidates[:1], listener.hear, listener.satisfied)
    )
    ms = listener.first or milliseconds(listener.began)
    return Finding(part, "ok", f"{generator.name}: the first words came", ms=ms)


@dataclass(slots=True)
class _Listener:
    """Takes the first pieces of an answer, and wants no more."""

    began: float = field(default_factory=perf_counter)
    first: float | None = None
    pieces: int = 0

    def hear(self, _text: str) -> None:
        self.first = self.first or milliseconds(self.began)
        self.pieces += 1

    def satisfied(self) -> bool:
        return self.pieces >= _FEW


def _remedy(by: str) -> str:
    return _BUNDLED if by in ("bundled", "extractive") else _FAR
