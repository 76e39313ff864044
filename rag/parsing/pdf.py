"""Reads PDF by xberg, which finds headings and tables, and by PDFium, which has words and numbers whole."""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

from pypdfium2 import PdfDocument, PdfiumError
from xberg import ExtractedDocument, PdfAnnotationType

from rag import media
from rag.errors import EmptyDocument, NotRecognised, UnreadableDocument
from rag.model import ParsedDocument
from rag.parsing import structure
from rag.parsing.extraction import ENCRYPTED, extracted
from rag.parsing.kerning import Words
from rag.parsing.layout import Arranged, arranged
from rag.parsing.ligatures import with_ligatures, words_of
from rag.parsing.losses import damaged_words, has_others, lost_words
from rag.parsing.page_pictures import PagePicture, marked, without_logos
from rag.parsing.picture_marks import placed
from rag.parsing.pictures import MOST_WITHIN
from rag.parsing.recognition import Reading, Recognition
from rag.parsing.rendering import parts_rendered, rendered
from rag.parsing.running_heads import without_running_heads
from rag.parsing.textlayer import Layer, compounds_of, joined, layers_of, may_have_pictures
from rag.parsing.textlines import Line
from rag.parsing.warnings import drawings_not_read, pages_not_read, pictures_not_read

_WORD = re.compile(r"\w+")
_ROW_END = 60
"""Characters at the end of a line that tell whether it is a row of figures."""

_TABLE_ROW = re.compile(r"^\|", re.MULTILINE)
_MOST_ROWS = 0.5
"""Part of the rows that xberg finds: where the places of words show fewer, its tables are of words."""

_DIVIDED = re.compile(r"[^\W\d_]-$")
_DOT_LEADER = re.compile(r"(?: ?\.){5,}")
_MOST_COMMENTS = 10_000
_SAME = 0.7
_NO_LAYER = "they are pictures of text perhaps (scans)"

log = logging.getLogger(__name__)


def pdf(data: bytes, max_text_bytes: int, recognition: Recognition | None = None) -> ParsedDocument:
    """Pages by xberg, mended by PDFium; where xberg fails or finds no text, those by PDFium.

    Pages that are pictures of text are recognised, and large pictures on others, or else named in a warning.
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
    contents = {page.page_number: page.content for page in found.pages or ()}
    comments = _comments(found)
    compounds = compounds_of(contents.values())
    words = cache(lambda: words_of(contents.values()))
    layers: list[Layer] = []
    pages: dict[int, str] = {}
    try:
        found_layers = layers_of(PdfDocument(data), compounds, has_pictures=may_have_pictures(data))
        for number, (layer, lines) in enumerate(found_layers, 1):
            layers.append(layer)
            mended = _mended(contents.get(number, ""), layer, lines, compounds)
            is_damaged = damaged_words(layer.text)
            pages[number] = with_ligatures(mended, layer.text, words()) if is_damaged else mended
    except PdfiumError as error:
        log.debug("PDFium reads %d pages only: %s", len(layers), error)
    rest = {number: _read(content) for number, content in contents.items() if number not in pages}
    kept = [(n, "\n\n".join([text, *comments[n]])) for n, text in sorted({**pages, **rest}.items())]
    return _with_scans(data, kept, layers, found.metadata.title, recognition)


def _with_scans(
    data: bytes,
    pages: Sequence[tuple[int, str]],
    layers: Sequence[Layer],
    title: str | None,
    recognition: Recognition | None,
) -> ParsedDocument:
    """The document of ``pages``, and of those and the large pictures on others as they are recognised."""
    every = recognition is not None and recognition.every_page
    scans = [number for number, layer in enumerate(layers, 1) if every or layer.is_scan]
    shown = without_logos({n: layer.pictures for n, layer in enumerate(layers, 1) if n not in scans})
    if recognition is None:
        return _unrecognised(pages, title, scans, [number for number, _ in shown])
    reading = recognition.read(rendered(data, scans))
    if not every:
        reading = reading.without(_well_layered(reading, layers))
    kept = [(number, content) for number, content in pages if content.strip()]
    numbered = list(enumerate(shown[:MOST_WITHIN]))
    document = reading.described(_document(_marked(reading.texts(kept), numbered), title))
    parts = parts_rendered(data, [(number, picture.bounds) for number, picture in shown[:MOST_WITHIN]])
    return _with_pictures(document, recognition.read(enumerate(parts)), shown, layers)


def _marked(
    pages: Iterable[tuple[int, str]], pictures: Sequence[tuple[int, tuple[int, PagePicture]]]
) -> list[tuple[int, str]]:
    """The pages, in which marks stand for their pictures, which are numbered."""
    by_page = defaultdict[int, list[tuple[int, PagePicture]]](list)
    for at, (number, picture) in pictures:
        by_page[number].append((at, picture))
    return [(n, marked(content, by_page[n]) if n in by_page else content) for n, content in pages]


def _with_pictures(
    document: ParsedDocument,
    reading: Reading,
    shown: Sequence[tuple[int, PagePicture]],
    layers: Sequence[Layer],
) -> ParsedDocument:
    """``document`` with the texts of its pictures, unless their page says the same."""
    texts = {
        at: page
        for at, page in reading.pages.items()
        if _share_in(layers[shown[at][0] - 1].text, page.text) < _SAME
    }
    warnings = document.warnings
    if reading.left:
        warnings += (pictures_not_read(len(reading.left), [shown[at][0] for at in reading.left]),)
    if len(shown) > MOST_WITHIN:
        warnings += (drawings_not_read(len(shown) - MOST_WITHIN),)
    return replace(placed(document, texts), warnings=warnings)


def _unrecognised(
    pages: Sequence[tuple[int, str]], title: str | None, scans: Sequence[int], pictured: Sequence[int]
) -> ParsedDocument:
    """The document of ``pages``, with warnings about ``scans`` and the pages of pictures, ``pictured``."""
    if not any(content.strip() for _, content in pages):
        if scans:
            raise NotRecognised(
                "The PDF holds pictures only: text recognition (OCR) is off or not installed."
            )
        raise EmptyDocument("The PDF holds no text.")
    unread = (pages_not_read(scans, _NO_LAYER),) if scans else ()
    left = (pictures_not_read(len(pictured), pictured),) if pictured else ()
    return replace(_document(pages, title), warnings=(*unread, *left))


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


def _mended(
    content: str,
    layer: Layer,
    lines: Callable[[], list[Line] | None],
    compounds: frozenset[str] = frozenset(),
) -> str:
    """The page as xberg reads it, in Markdown; its layer where that has columns, figures or more words."""
    read = Words.of(layer.text).mend(_read(content))
    if layer.columns is not None:
        return _with_headings(_tidy(layer.columns), read)
    loses = lost_words(layer.text, read) > damaged_words(layer.text)
    if not loses and not _has_rows(layer.text):
        return read
    page = _arranged(layer, lines, compounds)
    if page is None:
        return _with_headings(_tidy(layer.text), read) if loses else read
    has_tables = page.rows and page.rows >= _MOST_ROWS * len(_TABLE_ROW.findall(read))
    return _with_headings(page.text, read) if loses or has_tables else read


def _has_rows(text: str) -> bool:
    """Whether two lines, one below the other, end with several figures each."""
    ends = (line[-_ROW_END:].split() for line in text.splitlines())
    figures = (sum(any(map(str.isdigit, word)) for word in words) for words in ends)
    return any(above > 1 and below > 1 for above, below in pairwise(figures))


def _arranged(
    layer: Layer, lines: Callable[[], list[Line] | None], compounds: frozenset[str] = frozenset()
) -> Arranged | None:
    """The page by where its lines stand; None where the layer has other words: some are beyond the edge."""
    found = lines()
    if found is None:
        return None
    page = arranged(found)
    text = _tidy(joined(page.text, compounds))
    same = not lost_words(_tidy(layer.text), text) and not has_others(layer.text, text)
    return Arranged(text, page.rows) if same else None


def _read(content: str) -> str:
    return _tidy(structure.prose(content))


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
        document = PdfDocument(data)
        found = layers_of(document, has_pictures=may_have_pictures(data))
        read = [(layer, _arranged(layer, lines)) for layer, lines in found]
    except PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableDocument(ENCRYPTED) from error
        raise broken or UnreadableDocument(f"The PDF is broken and cannot be read: {error}") from error
    layers = [layer for layer, _ in read]
    texts = (layer.columns or (page.text if page else layer.text) for layer, page in read)
    pages = [(number, _tidy(text)) for number, text in enumerate(texts, 1)]
    return _with_scans(data, pages, layers, document.get_metadata_value("Title") or None, recognition)


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
