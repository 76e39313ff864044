"""Converts collections, layouts and removals from the forms of the Lua scripts and the journal."""

import json
from collections.abc import Sequence
from typing import Any, cast

from rag.journal.entries import Lines
from rag.model import Collection, Layout, LayoutState, Removal, SecondLayout
from rag.naming import chunks_key
from rag.redis.connection import PREFIX

Row = Sequence[bytes | int | None]
"""What ``row`` of ``registry.lua`` returns."""


def collection_key(name: str) -> str:
    return f"{PREFIX}collection:{name}"


def collection_of(row: Row) -> Collection:
    name, generation, model, dimension, created_at, chunks, revision, documents, layout, built_by = row[:10]
    number, *described, state, since_job, since = row[10:]
    second = None
    if number is not None:
        second_model, second_dimension = described
        built = Layout(_number(number), _text(second_model), _number(second_dimension), _text(since_job))
        second = SecondLayout(built, LayoutState(_text(state)), float(_text(since)))
    return Collection(
        name=_text(name),
        generation=_number(generation),
        embedding_model=_text(model),
        dimension=_number(dimension),
        created_at=float(_text(created_at)),
        documents=_number(documents),
        chunks=_number(chunks),
        revision=_number(revision),
        layout=_number(layout),
        built_by=_text(built_by),
        second=second,
    )


def in_use(collection: Collection, second: SecondLayout) -> str:
    """The message for a collection that cannot get another second layout now."""
    model, drop = second.layout.embedding_model, f"`aegis reindex --collection {collection.name} --finish`"
    if second.state is LayoutState.BUILDING:
        return (
            f"Collection {collection.name!r} is being embedded by {model}, by job {second.layout.job_id}: "
            f"wait for it, cancel it, or drop what it left with {drop}"
        )
    return (
        f"The vectors of {model} are still kept for collection {collection.name!r}, so that the last change "
        f"can be taken back: drop them with {drop} first"
    )


def _text(value: bytes | int | None) -> str:
    return cast(bytes, value).decode()


def _number(value: bytes | int | None) -> int:
    return int(cast("bytes | int", value))


def removal_of(found: Sequence[bytes]) -> Removal:
    """The removal in ``found``: place and lines, as the scripts return them."""
    place, lines = (part.decode() for part in found)
    store, _, document_id = place.partition("/")
    collection, _, generation = store.rpartition("-")
    versions = [json.loads(record) for record in lines.split("\n")[1:]]
    last = max(versions, key=lambda each: each["version"], default=dict[str, Any]())
    published = [each for each in versions if "source_key" in each]
    return Removal(
        job_id=job_of(lines),
        collection=collection,
        generation=int(generation),
        document_id=document_id or None,
        version=last.get("version", 0),
        blobs=tuple(
            blob
            for each in published
            for blob in (each["source_key"], each["text_key"], chunks_key(each["text_key"]))
        ),
        title=last.get("title", ""),
        attachments=tuple(dict.fromkeys(name for each in published for name in each.get("attachments", ()))),
    )


def place_of(removal: Removal) -> str:
    """The place of a removal, which ``removal_of`` parses."""
    store = f"{removal.collection}-{removal.generation}"
    return store if removal.document_id is None else f"{store}/{removal.document_id}"


def job_of(lines: Lines) -> str:
    """The id of the future purge job; '' without lines."""
    return lines.partition("\n")[0]
