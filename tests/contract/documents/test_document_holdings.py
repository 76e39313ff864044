"""What every DocumentRegistry must tell of a key: how much of what searches see is its own."""

import pytest
import redis

from rag.errors import QuotaExceeded
from rag.model import Holdings
from rag.ports import DocumentRegistry
from tests.contract.documents.documentrecords import MODEL, published


def test_each_key_holds_what_it_brought(documents: DocumentRegistry) -> None:
    published(documents, "one", owner="a", size=10)
    published(documents, "two", owner="a", size=5)
    published(documents, "three", owner="b c", size=1)
    published(documents, "four")

    assert documents.holdings("a") == Holdings(2, 15)
    assert documents.holdings("b c") == Holdings(1, 1)
    assert documents.holdings("") == Holdings(0, 0)


def test_the_sizes_of_its_own_documents_are_told(documents: DocumentRegistry) -> None:
    published(documents, "one", owner="a", size=10)
    published(documents, "two", owner="b c", size=5)
    published(documents, "three")

    assert documents.sizes_of("docs", "a", ["one", "two", "three", "four"]) == {"one": 10}
    assert documents.sizes_of("docs", "b c", ["one", "two"]) == {"two": 5}
    assert documents.sizes_of("docs", "a", []) == {}


def test_it_is_summed_over_collections(documents: DocumentRegistry) -> None:
    documents.put_collection("more", MODEL, 384)
    published(documents, "one", owner="a", size=10)
    published(documents, "one", owner="a", size=7)
    documents.publish(published(documents, "two", owner="a", size=1))
    assert documents.holdings("a") == Holdings(2, 8), "a version replaces another"


def test_who_replaces_a_document_holds_it(documents: DocumentRegistry) -> None:
    published(documents, owner="a", size=10)

    published(documents, owner="b", size=20)

    assert (documents.holdings("a"), documents.holdings("b")) == (Holdings(0, 0), Holdings(1, 20))


def test_what_is_deleted_is_held_no_more(documents: DocumentRegistry, redis_client: redis.Redis) -> None:
    published(documents, owner="a", size=10)

    documents.delete("docs", "a")

    assert documents.holdings("a") == Holdings(0, 0)
    assert not redis_client.exists("{aegis}:collection:docs:owned", "{aegis}:collection:docs:holdings")


def test_what_went_with_its_collection_is_held_no_more(documents: DocumentRegistry) -> None:
    published(documents, owner="a", size=10)

    documents.drop_collection("docs")
    documents.put_collection("docs", MODEL, 384)

    assert documents.holdings("a") == Holdings(0, 0)


def test_no_more_collections_are_made_than_may_be(documents: DocumentRegistry) -> None:
    documents.put_collection("second", MODEL, 384, most=2)

    with pytest.raises(QuotaExceeded, match="2 collections"):
        documents.put_collection("third", MODEL, 384, most=2)

    _, new = documents.put_collection("second", MODEL, 384, most=2)
    assert not new
    assert documents.collection("third") is None
