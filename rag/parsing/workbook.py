"""The parts of an XLSX file around its cells: sheets, shared texts, number formats, comments.

Source: ECMA-376, part 1, 18. Parts are XML, read by expat, which bounds what entities expand to.
"""

import posixpath
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from rag.errors import DocumentTooLarge
from rag.parsing.number_formats import BUILT_IN, GENERAL

_WORKBOOK, _PROPERTIES = "xl/workbook.xml", "docProps/core.xml"
_LARGEST_PART = 16 << 20
_MOST_SHEETS = 10_000
_THREADED_NOTICE = "[Threaded comment]"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet's name, and the part that holds its cells."""

    name: str
    part: str


class Workbook:
    """Reads the parts of an archive. Raises ParseError for broken XML, DocumentTooLarge for too much text."""

    def __init__(self, archive: zipfile.ZipFile, most_characters: int) -> None:
        """``most_characters``: of shared texts, all together."""
        self._archive = archive
        self._names = {name.lower(): name for name in archive.namelist()}
        self._most = most_characters
        self._workbook = self._root(_WORKBOOK)

    @property
    def since_1904(self) -> bool:
        """Whether dates count from 1904."""
        return any(
            each.get("date1904", "0") not in ("0", "false") for each in _named(self._workbook, "workbookPr")
        )

    def title(self) -> str | None:
        """The title that the file states."""
        return next((each.text for each in _named(self._root(_PROPERTIES), "title")), None)

    def sheets(self) -> list[Sheet]:
        """The sheets of cells, hidden ones too, in their order."""
        targets = dict(self._relations(_WORKBOOK))
        found = []
        for each in list(_named(self._workbook, "sheet"))[:_MOST_SHEETS]:
            key = next((value for name, value in each.attrib.items() if name.endswith("}id")), "")
            kind, part = targets.get(key, ("", ""))
            if kind == "worksheet" and self.has(part):
                found.append(Sheet(each.get("name", ""), part))
        return found

    def shared_texts(self) -> list[str]:
        """The texts that cells name by number; pronunciations are left out."""
        part = next((part for _, (kind, part) in self._relations(_WORKBOOK) if kind == "sharedStrings"), "")
        texts: list[str] = []
        length = 0
        if not self.has(part):
            return texts
        with self.open(part) as stream:
            for _, element in ElementTree.iterparse(stream):  # noqa: S314 - in the confined child
                if _local(element) == "rPh":
                    element.clear()
                elif _local(element) == "si":
                    texts.append("".join(each.text or "" for each in _named(element, "t")))
                    length += len(texts[-1])
                    element.clear()
                    if length > self._most:
                        raise DocumentTooLarge("The file holds more text than is read.")
        return texts

    def number_formats(self) -> list[str]:
        """The code of each style that a cell may have."""
        part = next((part for _, (kind, part) in self._relations(_WORKBOOK) if kind == "styles"), "")
        styles = self._root(part)
        own = {each.get("numFmtId"): each.get("formatCode", GENERAL) for each in _named(styles, "numFmt")}
        codes = []
        for cells in _named(styles, "cellXfs"):
            for style in _named(cells, "xf"):
                number = style.get("numFmtId", "0")
                built_in = BUILT_IN.get(int(number), GENERAL) if number.isdecimal() else GENERAL
                codes.append(own.get(number, built_in))
        return codes

    def comments(self, sheet: Sheet) -> Mapping[str, Sequence[str]]:
        """Comments and notes by the cell, "B7", that they are about."""
        found: dict[str, list[str]] = {}
        parts = sorted((kind, part) for _, (kind, part) in self._relations(sheet.part))
        for kind, part in parts:
            if kind == "threadedComment":
                for each in _named(self._root(part), "threadedComment"):
                    found.setdefault(each.get("ref", ""), []).append(_words(each, "text"))
            elif kind == "comments":
                for each in _named(self._root(part), "comment"):
                    if not (words := _words(each, "t")).startswith(_THREADED_NOTICE):
                        found.setdefault(each.get("ref", ""), []).append(words)
        return {cell: [words for words in texts if words] for cell, texts in found.items()}

    def has(self, part: str) -> bool:
        return part.lower() in self._names

    def open(self, part: str) -> IO[bytes]:
        return self._archive.open(self._names[part.lower()])

    def _root(self, part: str) -> Element:
        """The part; an empty element for one that is missing or larger than any program writes."""
        if not self.has(part) or self._archive.getinfo(self._names[part.lower()]).file_size > _LARGEST_PART:
            return Element("none")
        with self.open(part) as stream:
            return ElementTree.fromstring(stream.read(_LARGEST_PART))  # noqa: S314 - in the confined child

    def _relations(self, part: str) -> Iterator[tuple[str, tuple[str, str]]]:
        """The parts that ``part`` refers to: the id, and its kind and name."""
        folder, name = posixpath.split(part)
        for each in _named(self._root(f"{folder}/_rels/{name}.rels"), "Relationship"):
            target = posixpath.normpath(posixpath.join("/", folder, each.get("Target", "")))
            yield each.get("Id", ""), (each.get("Type", "").rpartition("/")[2], target.lstrip("/"))


def _named(parent: Element, name: str) -> Iterator[Element]:
    """All elements of the name within, whatever its namespace: strict files have another."""
    return (each for each in parent.iter() if _local(each) == name)


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _words(parent: Element, name: str) -> str:
    return " ".join("".join(each.text or "" for each in _named(parent, name)).split())
