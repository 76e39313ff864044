"""Puts the documents of a dataset into collections of an API."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from time import perf_counter

from cli.client.client import Client
from cli.evaluation.model import Collection
from cli.evaluation.texts import TextSource
from cli.ingestion.ingestion import Outcome, ingest
from cli.ingestion.sources import LocalFile, Source
from cli.ingestion.walk import files

_OTHER = re.compile(r"[^A-Za-z0-9]+")
_NAME, _STAMP = 40, 12


@dataclass(frozen=True, slots=True)
class Ingested:
    """``name``: of the collection at the API. ``unread``: a line for each document that is not in it.

    ``passages`` that were made in ``seconds``; none where the documents were there already.
    """

    name: str
    documents: int
    passages: int
    seconds: float
    unread: tuple[str, ...]


def ingest_collection(client: Client, collection: Collection, done: Callable[[Outcome], None]) -> Ingested:
    """Send the documents and wait until they are searchable; ``done`` takes each outcome.

    The collection's name at the API depends on its documents, so that what an earlier run left there is used
    again or is out of the way. Raises what :meth:`cli.ingestion.ingestion.Ingestion.run` does.
    """
    sources = sources_of(collection)
    name = name_at_api(collection.name, sources)
    client.make_collection(name)
    begun = perf_counter()
    outcomes = ingest(client, sources, name, wait=True, done=done)
    seconds = perf_counter() - begun
    is_new = not any(outcome.result.get("unchanged") for outcome in outcomes)
    return Ingested(
        name,
        documents=sum(outcome.reason is None for outcome in outcomes),
        passages=sum(outcome.result.get("chunks", 0) for outcome in outcomes) if is_new else 0,
        seconds=seconds if is_new else 0.0,
        unread=tuple(f"{outcome.name}: {outcome.reason}" for outcome in outcomes if outcome.reason),
    )


def sources_of(collection: Collection) -> Sequence[Source]:
    """What of the collection can be sent."""
    found: list[Source] = [TextSource(text) for text in collection.texts]
    if collection.folder is not None:
        found += [one for one in files([collection.folder]) if one.path.resolve() not in collection.without]
    return found


def name_at_api(name: str, sources: Iterable[Source]) -> str:
    """``eval-``, what of ``name`` a collection's name can hold, and a digest of the documents."""
    digest = sha256()
    for source in sources:
        content = source.mark if isinstance(source, LocalFile) else _content(source)
        digest.update(f"{source.document_id}\0{content}\0".encode(errors="surrogateescape"))
    plain = _OTHER.sub("-", name).strip("-")[:_NAME].strip("-")
    return "-".join(part for part in ("eval", plain, digest.hexdigest()[:_STAMP]) if part)


def _content(source: Source) -> str:
    return f"{source.document.title}\0{source.document.text}" if isinstance(source, TextSource) else ""
