"""The parts of an Office file, and how they refer to one another (ECMA-376, part 2, Open Packaging).

Parts are XML, read by expat, which bounds what entities expand to, within the confined child.
"""

import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import IO
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from rag.errors import AegisError, UnreadableDocument

_LARGEST_PART = 16 << 20

BROKEN: Mapping[type[BaseException], type[AegisError]] = {
    ElementTree.ParseError: UnreadableDocument,
    zipfile.BadZipFile: UnreadableDocument,
    zlib.error: UnreadableDocument,
    EOFError: UnreadableDocument,
    NotImplementedError: UnreadableDocument,  # a way of packing that Python does not know
    ValueError: UnreadableDocument,
}
"""What zipfile, zlib and expat raise for broken archives and parts."""


@dataclass(frozen=True, slots=True)
class Relation:
    """What a part refers to: the last word of its ``kind``, and the name of the other ``part``."""

    kind: str
    part: str


class Package:
    """Reads parts of an archive by name; case does not matter. Raises ParseError for broken XML."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = {name.lower(): name for name in archive.namelist()}

    @property
    def parts(self) -> list[str]:
        return list(self._names.values())

    def has(self, part: str) -> bool:
        return part.lower() in self._names

    def open(self, part: str) -> IO[bytes]:
        return self._archive.open(self._names[part.lower()])

    def root(self, part: str) -> Element:
        """The part; an empty element for one that is missing or larger than any program writes."""
        if not self.has(part) or self._archive.getinfo(self._names[part.lower()]).file_size > _LARGEST_PART:
            return Element("none")
        with self.open(part) as stream:
            return ElementTree.fromstring(stream.read(_LARGEST_PART))  # noqa: S314 - in the confined child

    def relations(self, part: str) -> dict[str, Relation]:
        """What the part refers to, by the ids that it uses."""
        folder, name = posixpath.split(part)
        found = {}
        for each in named(self.root(f"{folder}/_rels/{name}.rels"), "Relationship"):
            target = posixpath.normpath(posixpath.join("/", folder, each.get("Target", "")))
            kind = each.get("Type", "").rpartition("/")[2]
            found[each.get("Id", "")] = Relation(kind, target.lstrip("/"))
        return found


def rewritten(archive: zipfile.ZipFile, changed: Mapping[str, bytes], left_out: tuple[str, ...]) -> bytes:
    """The archive with the ``changed`` parts, and without those whose names begin as ``left_out`` says."""
    copy = BytesIO()
    with zipfile.ZipFile(copy, "w") as parts:
        for entry in archive.infolist():
            if not entry.filename.startswith(left_out):
                parts.writestr(entry.filename, changed.get(entry.filename) or archive.read(entry))
    return copy.getvalue()


def named(parent: Element, name: str) -> Iterator[Element]:
    """All elements of the name within, whatever its namespace: strict files have another."""
    return (each for each in parent.iter() if local_name(each) == name)


def local_name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def attribute(element: Element, name: str) -> str:
    """The attribute of the name, whatever its namespace; "" without one."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def relation_id(element: Element) -> str:
    """The id by which the element refers to a part."""
    return next((value for name, value in element.attrib.items() if name.endswith("}id")), "")


def words_of(parent: Element, name: str = "t") -> str:
    """The text of the elements of the name within, on one line."""
    return " ".join("".join(each.text or "" for each in named(parent, name)).split())
