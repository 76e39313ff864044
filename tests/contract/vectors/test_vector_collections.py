"""Every vector store makes, names and drops collections in the same way."""

import pytest

from rag.errors import Conflict, InvalidRequest, UnknownCollection
from rag.model import CollectionSpec
from tests.contract.vectors.points import DIMENSION, DOCS, SPEC, TOKEN_DIMENSION, point, query


def test_ensuring_twice_changes_nothing(store):
    store.upsert(DOCS, [point("a")])
    store.ensure(DOCS, SPEC)
    assert store.count(DOCS) == 1
    assert store.collections() == (DOCS,)


@pytest.mark.parametrize("other", [CollectionSpec(DIMENSION + 1, TOKEN_DIMENSION), CollectionSpec(DIMENSION)])
def test_ensuring_with_another_spec_is_a_conflict(store, other):
    with pytest.raises(Conflict, match=DOCS):
        store.ensure(DOCS, other)


def test_names_that_differ_only_in_case_are_two_collections(store):
    store.ensure("DOCS", SPEC)
    store.upsert("DOCS", [point("a")])
    assert store.collections() == ("DOCS", DOCS)
    assert (store.count(DOCS), store.count("DOCS")) == (0, 1)


@pytest.mark.parametrize("name", ["../docs", "", ".hidden", "a/b", "a b", "é"])
def test_a_name_that_is_no_name_is_refused(backend, name):
    with pytest.raises(InvalidRequest):
        backend.store.ensure(name, SPEC)


def test_a_dropped_collection_is_gone_and_can_be_made_anew(store):
    store.upsert(DOCS, [point("a")])
    store.drop(DOCS)
    store.drop(DOCS)
    assert store.collections() == ()
    store.ensure(DOCS, CollectionSpec(4))
    assert store.count(DOCS) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.upsert("nowhere", [point("a")]),
        lambda store: store.delete("nowhere", "a"),
        lambda store: store.search("nowhere", query()),
        lambda store: store.candidates("nowhere", []),
        lambda store: store.count("nowhere"),
        lambda store: store.scroll("nowhere", after=None, limit=1),
    ],
)
def test_an_unknown_collection_is_named(backend, call):
    with pytest.raises(UnknownCollection, match="nowhere"):
        call(backend.store)


def test_ping_answers(backend):
    backend.store.ping()
