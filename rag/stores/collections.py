"""Collections and their layouts as scripts and the journal hold them."""

from collections.abc import Sequence
from typing import cast

from rag.model import Collection, Layout, LayoutState, SecondLayout
from rag.stores.redis import PREFIX

Row = Sequence[bytes | int | None]
"""What ``row`` of ``lua/documents/_head.lua`` returns."""

SecondFields = tuple[str, ...]
"""Number, model, dimension, state, job and since of a second layout, in this order; () for none."""


def collection_key(name: str) -> str:
    return f"{PREFIX}collection:{name}"


def collection_of(row: Row) -> Collection:
    name, generation, model, dimension, created_at, chunks, revision, documents, layout, built_by = row[:10]
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
        second=_second(row[10:]),
    )


def second_fields(second: SecondLayout | None) -> SecondFields:
    if second is None:
        return ()
    layout = second.layout
    return (
        str(layout.number),
        layout.embedding_model,
        str(layout.dimension),
        second.state.value,
        layout.job_id,
        f"{second.since:.6f}",
    )


def in_use(collection: Collection, second: SecondLayout) -> str:
    """Why the collection cannot be given another second layout."""
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


def _second(fields: Row) -> SecondLayout | None:
    number, model, dimension, state, job_id, since = fields
    if number is None:
        return None
    layout = Layout(_number(number), _text(model), _number(dimension), _text(job_id))
    return SecondLayout(layout, LayoutState(_text(state)), float(_text(since)))


def _text(value: bytes | int | None) -> str:
    return cast(bytes, value).decode()


def _number(value: bytes | int | None) -> int:
    return int(cast("bytes | int", value))
