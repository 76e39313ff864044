"""Reads EPUB: its chapters, in the order in which the book states them, as web pages.

Source: EPUB 3.3, Open Container Format (4) and Package Document (5).
"""

import posixpath
import zipfile
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from urllib.parse import unquote

from rag.errors import DocumentTooLarge, UnreadableDocument, translated
from rag.model import ParsedDocument
from rag.parsing import structure, webpage
from rag.parsing.decoding import decoded
from rag.parsing.definitions import with_definitions
from rag.parsing.inner_pictures import InnerPictures
from rag.parsing.package import BROKEN, Package, attribute, named

_CONTAINER = "META-INF/container.xml"
_CHAPTERS = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})
_LARGEST_CHAPTER = 64 << 20
_ERRORS = {**BROKEN, RuntimeError: UnreadableDocument}  # a chapter with a password


def epub(data: bytes, max_text_bytes: int, pictures: InnerPictures) -> ParsedDocument:
    """The chapters one after the other, each once. Raises UnreadableDocument, and DocumentTooLarge."""
    with (
        translated(_ERRORS, "The book is broken and cannot be read"),
        zipfile.ZipFile(BytesIO(data)) as archive,
    ):
        package = Package(archive)
        book = next(
            (attribute(each, "full-path") for each in named(package.root(_CONTAINER), "rootfile")), ""
        )
        title = next((each.text for each in named(package.root(book), "title")), None)
        bodies, length = list[str](), 0
        for chapter in _chapters(package, book):
            with package.open(chapter) as stream:
                page = webpage.markdown_of(decoded(stream.read(_LARGEST_CHAPTER), "utf-8")).content
            bodies.append(pictures.marked(page, partial(_part_of, posixpath.dirname(chapter))))
            length += len(bodies[-1])
            if length > 2 * max_text_bytes:
                raise DocumentTooLarge("The book holds more text than is read.")
    return with_definitions(structure.from_escaped("\n\n".join(bodies), title))


def _part_of(folder: str, address: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(address)))


def _chapters(package: Package, book: str) -> Iterator[str]:
    """The parts of the book's chapters in reading order."""
    root, folder = package.root(book), posixpath.dirname(book)
    parts = {
        attribute(item, "id"): _part_of(folder, attribute(item, "href"))
        for item in named(root, "item")
        if attribute(item, "media-type") in _CHAPTERS
    }
    stated = dict.fromkeys(attribute(each, "idref") for each in named(root, "itemref"))
    found = [parts[each] for each in stated if each in parts and package.has(parts[each])]
    if not found:
        raise UnreadableDocument("The book is broken and cannot be read: it states no chapter that is there.")
    yield from found
