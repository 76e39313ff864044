"""A document that is given as text, sent as files are."""

from dataclasses import dataclass

from cli.client.client import Client
from cli.evaluation.model import Text
from rag.web.jsontypes import Json


@dataclass(frozen=True, slots=True)
class TextSource:
    """A source of documents, see :class:`cli.ingestion.sources.Source`."""

    document: Text
    mark: str = ""
    is_lasting: bool = False

    @property
    def name(self) -> str:
        return self.document.document_id

    @property
    def document_id(self) -> str:
        return self.document.document_id

    @property
    def size(self) -> int:
        return len(self.document.text)

    def send(self, client: Client, collection: str | None, key: str | None) -> Json:  # noqa: ARG002 - no file, so nothing is repeated
        return client.ingest_text(
            self.document.text, self.document.document_id, collection, self.document.title or None
        )
