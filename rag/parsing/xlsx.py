"""Reads XLSX: a heading a sheet, and its rows in words, with numbers as they are shown, and comments.

xberg gives stored values without their formats, and no comments; openpyxl holds a whole sheet as objects,
some 50 times its size. So the parts are read here, a row at a time.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from xml.parsers import expat

from rag.errors import UnreadableDocument, translated
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.package import BROKEN, Package
from rag.parsing.rows import WrittenTable
from rag.parsing.sheet_tables import Comments, length_of, written_sheet
from rag.parsing.sheets import Styles, merged_rows, place_of, rows_of
from rag.parsing.warnings import formulas_without_values
from rag.parsing.workbook import Sheet, Workbook

_ERRORS = {**BROKEN, expat.ExpatError: UnreadableDocument}


def xlsx(data: bytes, max_text_bytes: int) -> ParsedDocument:
    """The sheets in order, hidden ones too. Raises UnreadableDocument, and DocumentTooLarge."""
    with (
        translated(_ERRORS, "The file is broken and cannot be read"),
        zipfile.ZipFile(BytesIO(data)) as archive,
    ):
        package = Package(archive)
        workbook = Workbook(package, max_text_bytes)
        styles = Styles(workbook.shared_texts(), workbook.number_formats(), workbook.since_1904)
        sheets, room, formulas = [], max_text_bytes, 0
        for number, sheet in enumerate(workbook.sheets(), 1):
            written, shown = _sheet(package, sheet, (styles, workbook.comments(sheet)), room)
            formulas += shown
            room -= sum(map(length_of, written))
            if written:
                sheets.append((sheet.name or f"Sheet {number}", written))
        title = workbook.title()
    warnings = (formulas_without_values(formulas),) if formulas else ()
    return replace(structure.from_tables(sheets, title), warnings=warnings)


def _sheet(
    package: Package, sheet: Sheet, about: tuple[Styles, Mapping[str, Sequence[str]]], room: int
) -> tuple[list[WrittenTable], int]:
    """See :func:`written_sheet`. ``about``: what cells refer to, and comments by cell."""
    styles, texts_by_cell = about
    with package.open(sheet.part) as stream:
        merged = merged_rows(stream)
    comments: Comments = {}
    for cell, texts in texts_by_cell.items():
        if place := place_of(cell):
            comments.setdefault(place[0], []).extend((place[1], text) for text in texts)
    with package.open(sheet.part) as stream:
        return written_sheet(rows_of(stream, styles, merged), comments, room)
