"""What every DocumentRegistry must do with collections."""

from dataclasses import replace

import pytest

from rag.errors import Conflict, UnknownCollection
from rag.model import DocumentVersion
from rag.ports import DocumentRegistry
from tests.contract.documents.documentrecords import MODEL, document, published


class TestCollections:
    def test_one_is_made_once(self, documents: DocumentRegistry) -> None:
        first, created = documents.put_collection("new", MODEL, 384)
        again, created_again = documents.put_collection("new", MODEL, 384)

        assert (created, created_again) == (True, False)
        assert first == again == documents.collection("new")
        assert (first.name, first.embedding_model, first.dimension) == ("new", MODEL, 384)
        assert (first.generation, first.documents, first.chunks) == (1, 0, 0)
        assert [collection.name for collection in documents.collections()] == ["docs", "new"]

    def test_several_are_asked_for_together(self, documents: DocumentRegistry) -> None:
        docs = documents.collection("docs")
        assert documents.collections_named(["docs", "other", "docs"]) == [docs, None, docs]

    def test_one_is_read_together_with_a_document(self, documents: DocumentRegistry) -> None:
        assert documents.get_both("other", "a") == (None, None)
        assert documents.get_both("docs", "a") == (None, documents.collection("docs"))
        live = published(documents)
        assert documents.get_both("docs", live.document_id) == (live, documents.collection("docs"))

    @pytest.mark.parametrize(("model", "dimension"), [("other", 384), (MODEL, 1024)])
    def test_another_model_or_size_conflicts(
        self, documents: DocumentRegistry, model: str, dimension: int
    ) -> None:
        with pytest.raises(Conflict, match="docs"):
            documents.put_collection("docs", model, dimension)
        assert documents.put_collection("docs", MODEL, 384)[1] is False

    def test_an_unknown_one_holds_nothing(self, documents: DocumentRegistry) -> None:
        assert documents.collection("other") is None
        assert documents.drop_collection("other") is None
        assert documents.get("other", "a") is None
        assert documents.delete("other", "a") is None
        assert documents.page("other", cursor=None, limit=5).items == ()
        assert documents.stale("other", [DocumentVersion("a", 1)]) == (DocumentVersion("a", 1),)
        assert not documents.publish(document(collection="other"))
        with pytest.raises(UnknownCollection):
            documents.next_version("other", "a")

    def test_dropping_forgets_its_documents_at_once(self, documents: DocumentRegistry) -> None:
        live = published(documents)

        dropped = documents.drop_collection("docs")

        assert dropped is not None
        assert (dropped.collection, dropped.generation, dropped.document_id) == ("docs", 1, None)
        assert documents.collections() == ()
        assert documents.get("docs", "a") is None
        assert documents.stale("docs", [DocumentVersion("a", live.version)])

    def test_nothing_of_a_dropped_one_enters_its_successor(self, documents: DocumentRegistry) -> None:
        published(documents)
        late = document(version=documents.next_version("docs", "a"))
        documents.drop_collection("docs")

        successor, created = documents.put_collection("docs", "another model", 8)

        assert (created, successor.generation, successor.documents) == (True, 2, 0)
        assert not documents.publish(late)
        assert not documents.publish(replace(late, generation=2))
        assert documents.next_version("docs", "a") > late.version
