"""The parts of an XLSX file around its cells: sheets, shared texts, number formats, comments.

Source: ECMA-376, part 1, 18.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from rag.errors import DocumentTooLarge
from rag.parsing.number_formats import BUILT_IN, GENERAL
from rag.parsing.package import Package, local_name, named, relation_id, words_of

_WORKBOOK, _PROPERTIES = "xl/workbook.xml", "docProps/core.xml"
_MOST_SHEETS = 10_000
_THREADED_NOTICE = "[Threaded comment]"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet's name, and the part that holds its cells."""

    name: str
    part: str


class Workbook:
    """Reads the parts of a package. Raises ParseError for broken XML, DocumentTooLarge for too much text."""

    def __init__(self, package: Package, most_characters: int) -> None:
        """``most_characters``: of shared texts, all together."""
        self._package = package
        self._most = most_characters
        self._workbook = package.root(_WORKBOOK)
        self._relations = package.relations(_WORKBOOK)

    @property
    def since_1904(self) -> bool:
        """Whether dates count from 1904."""
        stated = (each.get("date1904", "0") for each in named(self._workbook, "workbookPr"))
        return any(each not in ("0", "false") for each in stated)

    def title(self) -> str | None:
        """The title that the file states."""
        return next((each.text for each in named(self._package.root(_PROPERTIES), "title")), None)

    def sheets(self) -> list[Sheet]:
        """The sheets of cells, hidden ones too, in their order."""
        found = []
        for each in list(named(self._workbook, "sheet"))[:_MOST_SHEETS]:
            relation = self._relations.get(relation_id(each))
            if relation and relation.kind == "worksheet" and self._package.has(relation.part):
                found.append(Sheet(each.get("name", ""), relation.part))
        return found

    def shared_texts(self) -> list[str]:
        """The texts that cells name by number; pronunciations are left out."""
        part = self._part("sharedStrings")
        texts: list[str] = []
        length = 0
        if not self._package.has(part):
            return texts
        with self._package.open(part) as stream:
            for _, element in ElementTree.iterparse(stream):  # noqa: S314 - in the confined child
                if local_name(element) == "rPh":
                    element.clear()
                elif local_name(element) == "si":
                    texts.append("".join(each.text or "" for each in named(element, "t")))
                    length += len(texts[-1])
                    element.clear()
                    if length > self._most:
                        raise DocumentTooLarge("The file holds more text than is read.")
        return texts

    def number_formats(self) -> list[str]:
        """The code of each style that a cell may have."""
        styles = self._package.root(self._part("styles"))
        own = {each.get("numFmtId"): each.get("formatCode", GENERAL) for each in named(styles, "numFmt")}
        codes = []
        for cells in named(styles, "cellXfs"):
            for style in named(cells, "xf"):
                number = style.get("numFmtId", "0")
                built_in = BUILT_IN.get(int(number), GENERAL) if number.isdecimal() else GENERAL
                codes.append(own.get(number, built_in))
        return codes

    def comments(self, sheet: Sheet) -> Mapping[str, Sequence[str]]:
        """Comments and notes by the cell, "B7", that they are about."""
        found: dict[str, list[str]] = {}
        for relation in self._package.relations(sheet.part).values():
            if relation.kind == "threadedComment":
                for each in named(self._package.root(relation.part), "threadedComment"):
                    found.setdefault(each.get("ref", ""), []).append(words_of(each, "text"))
            elif relation.kind == "comments":
                for each in named(self._package.root(relation.part), "comment"):
                    if not (words := words_of(each)).startswith(_THREADED_NOTICE):
                        found.setdefault(each.get("ref", ""), []).append(words)
        return {cell: [words for words in texts if words] for cell, texts in found.items()}

    def _part(self, kind: str) -> str:
        return next((each.part for each in self._relations.values() if each.kind == kind), "")
