"""Embedder, reranker and generator: each does a little of its real work."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter

from cli.doctor.finding import Finding, milliseconds, run_check, timed
from rag.errors import ModelError
from rag.model import Candidate, Embedding, Hit, Passage
from rag.ports import Embedder, GenerationRequest, Generator, Reranker, RerankRequest
from rag.settings import Settings
from tasks.documents.layouts import embedder_for
from tasks.toolbox import Toolbox
from workers.generation import generator_for

_QUESTION = "What colour is the lamp of the lighthouse?"
_TEXTS = ("The lamp of the lighthouse is green.", "Invoices are paid within thirty days.")
_ENOUGH_PIECES = 4


def examine(settings: Settings, tools: Toolbox) -> Iterator[Finding]:
    """One finding for each role; with Ollama, one for each replica."""
    embedder = run_check(
        "embedder",
        lambda: _check_embedder(embedder_for(tools, None, fresh=True)),
        _remedy(settings.embedded_by),
    )
    yield embedder
    if embedder.state != "ok":
        yield Finding("reranker", "note", "not tried, since it needs the embedder")
        yield Finding("generator", "note", "not tried, since it needs the embedder")
        return
    sample = _Sample.embedded_by(embedder_for(tools, None, fresh=True))
    yield run_check(
        "reranker", lambda: _check_reranker(tools.reranker, sample), _remedy(settings.reranked_by)
    )
    remedy = _remedy(settings.answered_by)
    if settings.answered_by == "ollama":
        for url in settings.ollama_replicas:
            yield run_check(f"generator {url}", lambda: _check_replica(settings, url, sample), remedy)  # noqa: B023 - called here
        return
    part = "generator"
    yield run_check(part, lambda: _check_generator(part, generator_for(settings), sample), remedy)


@dataclass(frozen=True, slots=True)
class _Sample:
    """The question, and two passages of which the first one answers it."""

    query: Embedding
    candidates: tuple[Candidate, ...]
    model: str

    @classmethod
    def embedded_by(cls, embedder: Embedder) -> "_Sample":
        (query,) = embedder.embed_queries([_QUESTION])
        candidates = []
        for index, (text, embedding) in enumerate(zip(_TEXTS, embedder.embed_passages(_TEXTS), strict=True)):
            passage = Passage(
                chunk_id=str(index), document_id="doctor", version=1, index=0, text=text, title="", start=0,
                end=len(text),
            )  # fmt: skip
            candidates.append(Candidate(Hit(passage, 1.0 - index), embedding.dense, embedding.tokens))
        return cls(query, tuple(candidates), embedder.name)


def _check_embedder(embedder: Embedder) -> Finding:
    embedder.warm()
    (embedding,), ms = timed(lambda: embedder.embed_queries([_QUESTION]))
    size = len(embedding.dense)
    if size != embedder.dimension:
        raise ModelError(
            f"{embedder.name} gives {size} dimensions, not {embedder.dimension}: set VECTOR_SIZE"
        )
    return Finding("embedder", "ok", f"{embedder.name}: a question has {size} dimensions", ms=ms)


def _check_reranker(reranker: Reranker, sample: _Sample) -> Finding:
    reranker.warm()
    request = RerankRequest(_QUESTION, sample.query, sample.candidates, sample.model)
    ((right, wrong),), ms = timed(lambda: reranker.relevance([request]))
    text = f"{reranker.name}: gives the right passage {right:.2f}, another {wrong:.2f}"
    if right <= wrong:
        return Finding("reranker", "bad", text, "see RERANKER_MODEL", ms)
    return Finding("reranker", "ok", text, ms=ms)


def _check_replica(settings: Settings, url: str, sample: _Sample) -> Finding:
    """One Ollama server by itself; no model is pulled for the check."""
    from cli.doctor.ollama import describe_model  # noqa: PLC0415 - only for those who use Ollama

    alone = settings.model_copy(update={"ollama_url": url, "ollama_pull": False})
    finding = _check_generator(f"generator {url}", generator_for(alone), sample)
    text = f"{settings.ollama_model} {describe_model(settings, url)}: the first words came"
    return replace(finding, text=text)


def _check_generator(part: str, generator: Generator, sample: _Sample) -> Finding:
    """``ms``: until the first piece of the answer, or the whole answer where it comes in one piece."""
    generator.warm()
    began, arrivals = perf_counter(), list[float]()
    request = GenerationRequest(
        _QUESTION,
        sample.query,
        sample.candidates[:1],
        lambda _piece: arrivals.append(milliseconds(began)),
        lambda: len(arrivals) >= _ENOUGH_PIECES,
    )
    generator.answer(request)
    ms = arrivals[0] if arrivals else milliseconds(began)
    return Finding(part, "ok", f"{generator.name}: the first words came", ms=ms)


def _remedy(by: str) -> str:
    if by in ("bundled", "late-interaction", "extractive"):
        return "aegis setup"
    return "see its address, its key, and whether the server runs"
