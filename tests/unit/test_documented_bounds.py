"""The bounds that the page on the API tells are those of the code."""

from pathlib import Path

import pytest

from api.schemas.bodies import MAX_URL
from rag.fetching.urls import LONGEST
from rag.naming import MAX_DOCUMENT_ID, checked_document_id

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/api.md").read_text("utf-8")
DECISION = (ROOT / "docs/decisions/0027-fetching.md").read_text("utf-8")


@pytest.mark.parametrize("page", [PAGE, DECISION], ids=["api", "fetching"])
def test_it_tells_how_long_a_url_may_be_when_it_is_sent_and_where_it_leads(page: str) -> None:
    assert f"{MAX_URL:,} characters" in page
    assert f"{LONGEST:,} " in page


def test_it_tells_which_ids_are_refused() -> None:
    assert f"An id that you choose has 1 to {MAX_DOCUMENT_ID} printable characters, is not blank" in PAGE
    assert "no part of it between slashes is `.` or `..`" in PAGE


@pytest.mark.parametrize("refused", ["", " ", ".", "a/../b", "a\n", "a" * (MAX_DOCUMENT_ID + 1)])
def test_those_ids_are_refused(refused: str) -> None:
    with pytest.raises(ValueError, match="a document_id"):
        checked_document_id(refused)
