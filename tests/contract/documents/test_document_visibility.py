"""What every DocumentRegistry must tell those who search and those who list."""

from collections.abc import Callable

import redis

from rag.model import DocumentVersion
from rag.ports import DocumentRegistry
from tests.contract.documents.documentrecords import MODEL, published
from tests.system.running import until


class TestStale:
    def test_only_the_live_version_of_each_document_is_to_be_seen(self, documents: DocumentRegistry) -> None:
        for document_id in ("a", "a", "b", "ü –"):
            published(documents, document_id)
        asked = [("a", 1), ("b", 1), ("a", 2), ("c", 1), ("ü –", 1), ("b", 2)]

        stale = documents.stale("docs", (DocumentVersion(*each) for each in asked))

        assert [(each.document_id, each.version) for each in stale] == [("a", 1), ("c", 1), ("b", 2)]

    def test_nothing_asked_nothing_stale(self, documents: DocumentRegistry) -> None:
        assert documents.stale("docs", []) == ()


class TestPage:
    def test_documents_come_by_id_and_each_once(self, documents: DocumentRegistry) -> None:
        ids = sorted(["b", "a", "c", "ab", "B", "10", "9", "ü"], key=str.encode)
        for document_id in reversed(ids):
            published(documents, document_id)

        assert self._pages(lambda cursor: documents.page("docs", cursor=cursor, limit=3)) == [
            ids[:3],
            ids[3:6],
            ids[6:],
        ]

    def test_a_full_last_page_is_the_last(self, documents: DocumentRegistry) -> None:
        for document_id in "abcd":
            published(documents, document_id)
        assert self._pages(lambda cursor: documents.page("docs", cursor=cursor, limit=2)) == [
            ["a", "b"],
            ["c", "d"],
        ]

    def _pages(self, page: Callable) -> list[list[str]]:
        cursor, pages = None, []
        while True:
            window = page(cursor)
            pages.append([item.document_id for item in window.items])
            cursor = window.next
            if cursor is None:
                return pages


class TestRevision:
    def revision(self, documents: DocumentRegistry) -> int:
        collection = documents.collection("docs")
        assert collection is not None
        return collection.revision

    def test_it_grows_with_everything_that_searches_may_see(self, documents: DocumentRegistry) -> None:
        revisions = [self.revision(documents)]

        first = published(documents)
        revisions.append(self.revision(documents))
        published(documents, "b")
        revisions.append(self.revision(documents))
        published(documents, first.document_id)
        revisions.append(self.revision(documents))
        documents.delete("docs", "a")
        revisions.append(self.revision(documents))

        assert revisions == sorted(set(revisions))

    def test_it_stays_while_nothing_changes(self, documents: DocumentRegistry) -> None:
        older = published(documents)
        published(documents)
        before = self.revision(documents)

        documents.next_version("docs", "b")
        documents.put_collection("docs", MODEL, 384)
        documents.publish(older)
        documents.delete("docs", "never there")
        documents.delete("other", "a")

        assert self.revision(documents) == before

    def test_it_is_beyond_all_that_were_lost(
        self, documents: DocumentRegistry, redis_client: redis.Redis
    ) -> None:
        held = self.revision(documents)
        for document_id in "abc":
            published(documents, document_id)
        lost = self.revision(documents)
        redis_client.hset("{aegis}:collection:docs", "revision", held)
        until(lambda: redis_client.time()[0] > lost / 1000)  # some changes came in one millisecond

        published(documents, "d")

        assert self.revision(documents) > lost
