"""Makes the paths under which the service shows a passage."""

from urllib.parse import quote, urlencode

from rag.model import DocumentVersion


def passage_page(collection: str, version: DocumentVersion, start: int, end: int) -> str:
    """The console's page of a document, with the characters from ``start`` to ``end`` marked.

    Everything is behind the ``#``, which browsers do not send: no log and no other server sees it.
    """
    about = {"collection": collection, "document": version.document_id, "version": version.version}
    place = {**about, "start": start, "end": end}
    return f"/console/document.html#{urlencode(place, quote_via=quote)}"


def chunk_address(collection: str, document_id: str, chunk_id: str) -> str:
    """The path of the API that returns the passage."""
    asked = urlencode({"collection": collection, "chunk_id": chunk_id})
    return f"/v1/documents/{quote(document_id, safe='')}/chunks?{asked}"
