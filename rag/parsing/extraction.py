"""Reads Office, OpenDocument, EPUB, RTF and PDF files by xberg.

Only a process that reads nothing else may use it: xberg starts threads, and may crash while they end.
"""

from xberg import (
    ConcurrencyConfig,
    ContentFilterConfig,
    ExtractedDocument,
    ExtractInput,
    ExtractionConfig,
    PageConfig,
    PdfConfig,
    PostProcessorConfig,
    SecurityLimits,
    extract,
    list_supported_formats,
)

from rag import media
from rag.errors import AegisError, DocumentTooLarge, UnreadableDocument
from rag.parsing.waiting import result_of

ENCRYPTED = "The file is encrypted: remove the password and send it again."
_LARGEST_ARCHIVE = 512 << 20
_MOST_TABLE_CELLS = 5_000_000
_ALL_LINES = ContentFilterConfig(
    include_headers=True, include_footers=True, include_footnotes=True, strip_repeating_text=False
)
"""xberg removes some of what repeats, and not all: :mod:`rag.parsing.running_heads` does."""

_PAGED = frozenset({media.PDF, media.PPTX})


def warm() -> None:
    """Make xberg's tables of formats before a child is forked, which would need 0.6 ms for it.

    No thread is started. Of what :func:`extracted` calls that cannot be said.
    """
    list_supported_formats()


def extracted(data: bytes, media_type: str, max_text_bytes: int) -> ExtractedDocument:
    """The file's Markdown, its metadata and, for PDF and PPTX, its pages.

    Raises UnreadableDocument for a broken or encrypted file, DocumentTooLarge for one that unpacks to
    more than ``max_text_bytes`` allow.
    """
    name = f"document.{media.READABLE[media_type][0]}"
    source = ExtractInput(kind="bytes", bytes=data, mime_type=media_type, filename=name)
    config = ExtractionConfig(
        use_cache=False,
        disable_ocr=True,
        enable_quality_processing=False,
        postprocessor=PostProcessorConfig(enabled=False),
        output_format="markdown",
        escape_markdown=False,
        pdf_options=PdfConfig(extract_annotations=True),
        content_filter=_ALL_LINES if media_type == media.PDF else None,
        pages=PageConfig(extract_pages=media_type in _PAGED),
        concurrency=ConcurrencyConfig(max_threads=1),
        max_archive_depth=0,
        security_limits=SecurityLimits(
            max_archive_size=_LARGEST_ARCHIVE,
            max_content_size=max_text_bytes * 2,
            max_table_cells=_MOST_TABLE_CELLS,
        ),
    )

    try:
        result = result_of(extract(source, config))
    except RuntimeError as error:  # xberg raises its exceptions as this one
        raise _error_of(str(error)) from error
    if result.errors:
        raise _error_of(result.errors[0].message)
    if not result.results:
        raise UnreadableDocument("The file cannot be read: nothing was found in it.")
    return result.results[0]


def _error_of(reason: str) -> AegisError:
    # xberg has no error codes: only the words of its message tell the cases apart.
    reason = reason.removeprefix("Parsing error: ")
    lowered = reason.lower()
    if "encrypted" in lowered or "password" in lowered:
        return UnreadableDocument(ENCRYPTED)
    if any(word in lowered for word in ("security", "limit", "exceed", "too large", "bomb", "ratio")):
        return DocumentTooLarge(f"The file unpacks to more than can be read: {reason}")
    return UnreadableDocument(f"The file is broken and cannot be read: {reason}")
