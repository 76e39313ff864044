"""Reads ODS as XLSX is read: a heading a sheet, and its rows in words, with numbers as they are shown."""

import zipfile
from dataclasses import replace
from io import BytesIO
from itertools import groupby
from operator import itemgetter
from xml.parsers import expat

from rag.errors import UnreadableDocument, translated
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.ods_sheets import rows_of
from rag.parsing.package import BROKEN, Package, named
from rag.parsing.rows import WrittenTable
from rag.parsing.sheet_tables import length_of, written_sheet
from rag.parsing.warnings import formulas_without_values

_CONTENT, _META = "content.xml", "meta.xml"
_MOST_SHEETS = 10_000
_ERRORS = {**BROKEN, expat.ExpatError: UnreadableDocument}


def ods(data: bytes, max_text_bytes: int) -> ParsedDocument:
    """The sheets in order, hidden ones too, each with the words on its drawings at its end.

    Raises UnreadableDocument, and DocumentTooLarge.
    """
    sheets, room, formulas = [], max_text_bytes, 0
    with (
        translated(_ERRORS, "The file is broken and cannot be read"),
        zipfile.ZipFile(BytesIO(data)) as archive,
    ):
        package = Package(archive)
        title = next((each.text for each in named(package.root(_META), "title")), None)
        if not package.has(_CONTENT):
            raise UnreadableDocument(f"The file is broken and cannot be read: it has no {_CONTENT}.")
        with package.open(_CONTENT) as stream:
            for number, (sheet, rows) in enumerate(groupby(rows_of(stream), itemgetter(0)), 1):
                filled = (row for _, row in rows if row)
                written, shown = written_sheet(filled, sheet.comments, room)
                written += [WrittenTable((), [words]) for words in sheet.shapes]
                formulas += shown
                room -= sum(map(length_of, written))
                if written and number <= _MOST_SHEETS:
                    sheets.append((sheet.name or f"Sheet {number}", written))
    warnings = (formulas_without_values(formulas),) if formulas else ()
    return replace(structure.from_tables(sheets, title), warnings=warnings)
