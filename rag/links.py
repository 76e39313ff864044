"""Addresses, below that of the service, at which a passage is to be seen."""

from urllib.parse import quote, urlencode

from rag.model import DocumentVersion


def passage_page(collection: str, version: DocumentVersion, start: int, end: int) -> str:
    """The console's page of a document, with the characters from ``start`` to ``end`` marked.

    All of it is behind the ``#``, which browsers keep to themselves: no log and no other server has it.
    """
    about = {"collection": collection, "document": version.document_id, "version": version.version}
    place = {**about, "start": start, "end": end}
    return f"/console/document.html#{urlencode(place, quote_via=quote)}"


def chunk_address(collection: str, document_id: str, chunk_id: str) -> str:
    """Where the API tells of the passage."""
    asked = urlencode({"collection": collection, "chunk_id": chunk_id})
    return f"/v1/documents/{quote(document_id, safe='')}/chunks?{asked}"
