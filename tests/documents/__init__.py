"""One small handbook in every readable format, made from text.

Each maker answers the file's bytes. The content is always the same: a title, two
headings, known sentences (one beyond Latin-1) and a table, where the format has them.
"""

from collections.abc import Callable

from rag import media
from tests.documents import office, page, plain
from tests.documents.content import HEADINGS, OTHER_ALPHABETS, SENTENCES, TABLE, TITLE

MAKERS: dict[str, Callable[[], bytes]] = {
    media.TEXT: plain.text,
    media.MARKDOWN: plain.markdown,
    media.CSV: plain.csv,
    media.JSON: plain.json,
    media.JSONL: plain.jsonl,
    media.EML: plain.eml,
    media.RTF: plain.rtf,
    media.HTML: plain.html,
    media.PDF: page.pdf,
    media.DOCX: office.docx,
    media.PPTX: office.pptx,
    media.XLSX: office.xlsx,
    media.ODT: office.odt,
    media.ODS: office.ods,
    media.EPUB: office.epub,
}

__all__ = ["HEADINGS", "MAKERS", "OTHER_ALPHABETS", "SENTENCES", "TABLE", "TITLE"]
