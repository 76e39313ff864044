"""Reads PDF by xberg, which finds headings and tables, and by PDFium, which has words and numbers whole."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from pypdfium2 import PdfiumError
from xberg import ExtractedDocument, PdfAnnotationType

from rag import media
from rag.errors import EmptyDocument, NotRecognised, UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.extraction import ENCRYPTED, extracted
from rag.parsing.kerning import Words
from rag.parsing.recognition import Reading, Recognition
from rag.parsing.rendering import rendered
from rag.parsing.running_heads import without_running_heads
from rag.parsing.textlayer import Layer, joined, layers_of
from rag.parsing.warnings import pages_not_read

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d[\d.,]*\d")
_LONG_WORD = re.compile(r"[^\W\d_]{4,}")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_MANY = 3
_DIVIDED = re.compile(r"[^\W\d_]-$")
_DOT_LEADER = re.compile(r"(?: ?\.){5,}")
_MOST_COMMENTS = 10_000
_SAME = 0.7
_NO_LAYER = "they are pictures of text perhaps (scans)"


def pdf(data: bytes, max_text_bytes: int, recognition: Recognition | None = None) -> ParsedDocument:
    """Pages by xberg, mended by PDFium; where xberg fails or finds no text, those by PDFium.

    Pages that are pictures of text are recognised, or else named in a warning.
    Raises UnreadableDocument for encrypted or broken files, NotRecognised for scans, EmptyDocument.
    """
    broken: UnreadableDocument | None = None
    try:
        found = extracted(data, media.PDF, max_text_bytes)
    except UnreadableDocument as error:
        if str(error) == ENCRYPTED:
            raise
        broken = error
    else:
        if any(page.content.strip() for page in found.pages or ()):
            return _mended_pages(found, data, recognition)
    return _by_pdfium(data, broken, recognition)


def _mended_pages(found: ExtractedDocument, data: bytes, recognition: Recognition | None) -> ParsedDocument:
    try:
        layers, _ = layers_of(data)
    except PdfiumError:
        layers = []
    comments = _comments(found)
    pages = []
    for page in found.pages or ():
        number = page.page_number
        layer = layers[number - 1] if 0 < number <= len(layers) else Layer()
        pages.append((number, "\n\n".join([_mended(page.content, layer), *comments[number]])))
    return _with_scans(data, pages, layers, found.metadata.title, recognition)


def _with_scans(
    data: bytes,
    pages: Sequence[tuple[int, str]],
    layers: Sequence[Layer],
    title: str | None,
    recognition: Recognition | None,
) -> ParsedDocument:
    """The document of ``pages``, and of those that are pictures as they are recognised."""
    every = recognition is not None and recognition.every_page
    scans = [number for number, layer in enumerate(layers, 1) if every or layer.is_scan]
    if recognition is not None:
        reading = recognition.read(rendered(data, scans))
        if not every:
            reading = reading.without(_well_layered(reading, layers))
        kept = [(number, content) for number, content in pages if content.strip()]
        return reading.described(_document(reading.texts(kept), title))
    if not any(content.strip() for _, content in pages):
        if scans:
            raise NotRecognised(
                "The PDF holds pictures only: text recognition (OCR) is off or not installed."
            )
        raise EmptyDocument("The PDF holds no text.")
    document = _document(pages, title)
    return replace(document, warnings=(pages_not_read(scans, _NO_LAYER),)) if scans else document


def _well_layered(reading: Reading, layers: Sequence[Layer]) -> set[int]:
    """Pages whose layer says about what the picture shows, such as a title slide over a photograph."""
    return {
        number
        for number, page in reading.pages.items()
        if _share_in(layers[number - 1].text, page.text) >= _SAME
    }


def _share_in(layer: str, recognised: str) -> float:
    """The part of the recognised words that the layer has; 1 where nothing was recognised."""
    there = set(_WORD.findall(layer.casefold()))
    words = _WORD.findall(recognised.casefold())
    return sum(word in there for word in words) / len(words) if words else 1.0


def _document(pages: Sequence[tuple[int, str]], title: str | None) -> ParsedDocument:
    return structure.from_pages(_whole(pages), title, flowing=True)


def _mended(content: str, layer: Layer) -> str:
    """The page as xberg reads it, in Markdown; its text layer where xberg lost something or mixed columns."""
    read = Words.of(layer.text).mend(_tidy(structure.prose(content)))
    if layer.columns is None and not _loses(layer.text, read):
        return read
    return _with_headings(_tidy(layer.columns or layer.text), read)


def _loses(text: str, read: str) -> bool:
    """Whether ``read`` lacks a number of ``text``, or lacks words or figures as those of a table's rows.

    One or two may be missing: words that a line's end divides, the number of the page.
    """
    if set(_NUMBER.findall(text)) - set(_NUMBER.findall(read)):
        return True
    figures, words = Counter(_FIGURE.findall(text)), set(_LONG_WORD.findall(read))
    figures.subtract(_FIGURE.findall(read))
    missing = sum(word not in words for word in _LONG_WORD.findall(text))
    return missing >= _MANY or sum(count for count in figures.values() if count > 0) >= _MANY


def _with_headings(text: str, markdown: str) -> str:
    """``text``, in which lines that are headings of ``markdown`` are so too."""
    headings = {line.lstrip("# "): line for line in markdown.split("\n") if line.startswith("#")}
    return "\n".join(headings.pop(line.strip(), line) for line in text.splitlines())


def _comments(found: ExtractedDocument) -> defaultdict[int, list[str]]:
    """What readers noted in the file, by page."""
    comments = defaultdict[int, list[str]](list)
    for note in (found.annotations or ())[:_MOST_COMMENTS]:
        if note.content and note.annotation_type is not PdfAnnotationType.LINK:
            comments[note.page_number].append(f"Comment: {note.content}")
    return comments


def _by_pdfium(
    data: bytes, broken: UnreadableDocument | None, recognition: Recognition | None
) -> ParsedDocument:
    """Pages of plain text. ``broken``: xberg's error, raised when PDFium cannot read the file either."""
    try:
        layers, title = layers_of(data)
    except PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableDocument(ENCRYPTED) from error
        raise broken or UnreadableDocument(f"The PDF is broken and cannot be read: {error}") from error
    pages = [(number, _tidy(layer.columns or layer.text)) for number, layer in enumerate(layers, 1)]
    return _with_scans(data, pages, layers, title, recognition)


def _whole(pages: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """The pages without running heads, and with words whole that a page's end divides."""
    whole = [(number, content.strip()) for number, content in without_running_heads(pages)]
    for index, ((number, content), (below, rest)) in enumerate(pairwise(whole)):
        first, _, others = rest.partition(" ")
        if _DIVIDED.search(content[-2:]) and first[:1].islower():
            last_line = content[content.rfind("\n") + 1 :]
            whole[index] = number, content[: -len(last_line)] + joined(f"{last_line}\n{first}")
            whole[index + 1] = below, others
    return whole


def _tidy(content: str) -> str:
    return _DOT_LEADER.sub(" …", content)
