"""Addresses of passages."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from rag.model import DocumentVersion
from rag.text.places import chunk_address, passage_page


@pytest.mark.parametrize("document_id", ["a", "guides/vpn.md", "ü ?#&=%+", "a//b", '"><script>'])
def test_an_address_leads_to_the_very_document(document_id: str) -> None:
    page = urlsplit(passage_page("docs", DocumentVersion(document_id, 2), 3, 9))
    chunk = urlsplit(chunk_address("docs", document_id, "c-1"))

    assert page.path == "/console/document.html"
    assert parse_qs(page.fragment) == {
        "collection": ["docs"], "document": [document_id], "version": ["2"], "start": ["3"], "end": ["9"]
    }  # fmt: skip
    assert unquote(chunk.path.removeprefix("/v1/documents/").removesuffix("/chunks")) == document_id
    assert parse_qs(chunk.query) == {"collection": ["docs"], "chunk_id": ["c-1"]}
    for address in (page, chunk):
        assert address.geturl().isascii()
        assert not set('"<> ') & set(address.geturl())
