"""What a file is, from its bytes, its name and its sender's word."""

import io
import zipfile

import pytest

from rag import media
from rag.errors import UnsupportedMedia
from rag.media import media_type_of, misfit

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)


def zipped(*entries: tuple[str, str], compress: bool = True) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


DOCX = zipped(("[Content_Types].xml", "<Types/>"), ("_rels/.rels", "<r/>"), ("word/document.xml", "<w/>"))
XLSX = zipped(("[Content_Types].xml", "<Types/>"), ("xl/workbook.xml", "<w/>"))
EPUB = zipped(("mimetype", media.EPUB), ("META-INF/container.xml", "<c/>"), compress=False)
ODT = zipped(("mimetype", media.ODT), ("content.xml", "<c/>"), compress=False)
ODG = zipped(("mimetype", "application/vnd.oasis.opendocument.graphics"), compress=False)
PLAIN_ZIP = zipped(("notes.txt", "hello"), ("photo.jpg", "x"))


@pytest.mark.parametrize(
    ("filename", "declared", "head", "expected"),
    [
        ("a.pdf", None, b"%PDF-1.7\n", media.PDF),
        ("A.PDF", None, b"%PDF-1.7\n", media.PDF),
        ("a.txt", "text/plain", b"%PDF-1.7\n", media.PDF),
        ("report", None, b"\n\n%PDF-1.4", media.PDF),
        ("notes.docx", None, DOCX, media.DOCX),
        ("notes.pdf", "application/pdf", DOCX, media.DOCX),
        (None, "application/octet-stream", XLSX, media.XLSX),
        ("book.zip", None, EPUB, media.EPUB),
        ("letter", None, ODT, media.ODT),
        ("big.docx", None, b"PK\x03\x04" + bytes(500), media.DOCX),
        ("locked.docx", None, OLE, media.DOCX),
        ("a.rtf", None, b"{\\rtf1\\ansi", media.RTF),
        ("a.doc", None, b"{\\rtf1\\ansi", media.RTF),
        ("mail.eml", None, b"From: a@b\nSubject: x\n\nhello", media.EML),
        ("x.md", "text/plain", b"# Title", media.MARKDOWN),
        ("README.markdown", None, b"# Title", media.MARKDOWN),
        ("x.csv", "application/vnd.ms-excel", b"a,b\n1,2", media.CSV),
        ("x.json", None, b'{"a": 1}', media.JSON),
        ("x.jsonl", None, b'{"a": 1}\n{"a": 2}', media.JSONL),
        ("page", "text/html; charset=utf-8", b"<p>hello", media.HTML),
        ("page.php", None, b"\xef\xbb\xbf <!DOCTYPE html><html>", media.HTML),
        ("x.txt", None, "naïve café".encode("cp1252"), media.TEXT),
        ("main.py", None, b"print('hello')", media.TEXT),
        ("main.weird", "application/x-weird", "Grüße ✓".encode(), media.TEXT),
        (None, None, "Grüße".encode("utf-16"), media.TEXT),
        (None, "text/csv", b"a;b", media.CSV),
        ("empty.txt", None, b"", media.TEXT),
        (None, None, b"", media.TEXT),
        ("folder.d/data.json", None, b"[]", media.JSON),
        ("scan.png", None, PNG, media.PNG),
        ("scan.jpeg", None, b"\xff\xd8\xff\xe0", media.JPEG),
        ("scan.pdf", "application/pdf", b"II*\x00", media.TIFF),
        (None, None, b"MM\x00*", media.TIFF),
        (None, None, b"RIFF\x00\x00\x00\x00WEBPVP8 ", media.WEBP),
    ],
)
def test_type_is_recognised(filename, declared, head, expected):
    assert media_type_of(filename, declared, head) == expected


@pytest.mark.parametrize(
    ("filename", "head", "phrase"),
    [
        ("photo.gif", b"GIF89a", "GIF image"),
        ("setup.exe", b"MZ\x90\x00\x03\x00", "Windows program"),
        ("files.zip", PLAIN_ZIP, "zip archive"),
        ("plan.odg", ODG, "zip archive"),
        ("old.doc", OLE, "old (.doc"),
        (None, bytes(range(256)), "unknown kind"),
        ("clip.mp4", b"\x00\x00\x00\x18ftypmp42", "video"),
    ],
)
def test_unreadable_type_is_refused_with_what_it_is_and_what_can_be_read(filename, head, phrase):
    with pytest.raises(UnsupportedMedia) as caught:
        media_type_of(filename, None, head)
    assert phrase in str(caught.value)
    assert all(extension in str(caught.value) for extension in ("pdf", "docx", "md", "eml"))


def test_head_that_ends_inside_a_character_is_still_text():
    assert media_type_of(None, None, "ä".encode()[:1]) == media.TEXT


@pytest.mark.parametrize(
    ("media_type", "data", "expected"),
    [
        (media.PDF, b"%PDF-1.4", None),
        (media.PDF, PNG, "a PNG image"),
        (media.PDF, b"just words", "plain text"),
        (media.DOCX, DOCX, None),
        (media.DOCX, OLE, "an old (.doc, .xls, .ppt) or encrypted Office file"),
        (media.RTF, b"hello", "plain text"),
        (media.TEXT, PNG, "a PNG image"),
        (media.PNG, PNG, None),
        (media.JPEG, PNG, "a PNG image"),
        (media.WEBP, b"RIFF\x00\x00\x00\x00WAVE", "an image, sound or video"),
        (media.TEXT, b"hello", None),
        (media.CSV, b"\x00\x01\x02\x03", None),
    ],
)
def test_misfit_names_what_the_bytes_are_instead(media_type, data, expected):
    assert misfit(media_type, data) == expected


def test_every_readable_type_has_an_extension_of_its_own():
    extensions = [extension for group in media.READABLE.values() for extension in group]
    assert len(extensions) == len(set(extensions))
