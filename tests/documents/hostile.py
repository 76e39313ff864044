"""Files made to harm whoever reads them. Each maker answers a media type and the bytes."""

import io
import random
import zipfile
import zlib
from collections.abc import Callable, Iterator

from rag import media
from tests.documents.office import archive, docx, xlsx
from tests.documents.page import written

Hostile = tuple[str, bytes]


def zip_bomb() -> Hostile:
    """A docx of 3 MB that unpacks to 600 MB, and says so."""
    return media.DOCX, _rebuilt(docx(), "word/media/image1.bin", (bytes(1 << 20) for _ in range(600)))


def text_bomb() -> Hostile:
    """A docx whose only paragraph has 300 MB."""
    head, tail = docx(body="<w:p><w:r><w:t>@</w:t></w:r></w:p>"), b"</w:t></w:r></w:p></w:body></w:document>"
    with zipfile.ZipFile(io.BytesIO(head)) as original:
        start = original.read("word/document.xml").split(b"@")[0]
    pieces = (start, *(b"bomb " * 200_000 for _ in range(300)), tail)
    return media.DOCX, _rebuilt(head, "word/document.xml", iter(pieces))


def billion_laughs() -> Hostile:
    """Entities of entities, 10^9 words when expanded."""
    entities = '<!ENTITY l0 "lol ">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    whole = docx(body="<w:p><w:r><w:t>@</w:t></w:r></w:p>")
    with zipfile.ZipFile(io.BytesIO(whole)) as original:
        xml = original.read("word/document.xml").decode()
    prolog, rest = xml.split("?>", 1)
    xml = f"{prolog}?><!DOCTYPE w:document [{entities}]>{rest.replace('@', '&l9;')}"
    return media.DOCX, _rebuilt(whole, "word/document.xml", iter([xml.encode()]))


def deep_docx() -> Hostile:
    return media.DOCX, docx(body="<w:tbl><w:tr><w:tc>" * 30_000)


def deep_html() -> Hostile:
    return media.HTML, b"<!doctype html><body>" + b"<div><b>" * 100_000 + b"deep"


def deep_json() -> Hostile:
    return media.JSON, b"[" * 200_000 + b"]" * 200_000


def wide_sheet() -> Hostile:
    """Two cells, at the opposite corners of 17 billion."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    cell = '<row r="{1}"><c r="{0}{1}" t="inlineStr"><is><t>corner</t></is></c></row>'
    sheet = (
        f'<worksheet xmlns="{main}"><dimension ref="A1:XFD1048576"/><sheetData>'
        f"{cell.format('A', 1)}{cell.format('XFD', 1048576)}</sheetData></worksheet>"
    )
    return media.XLSX, _rebuilt(xlsx(), "xl/worksheets/sheet1.xml", iter([sheet.encode()]))


def pdf_bomb() -> Hostile:
    """A page whose content unpacks to 120 MB."""
    packer = zlib.compressobj(1)
    block = b"BT /F 9 Tf 9 9 Td (bomb) Tj ET\n" * 33_000
    content = b"".join(packer.compress(block) for _ in range(120)) + packer.flush()
    stream = f"<</Length {len(content)}/Filter/FlateDecode>>stream\n{content.decode('latin-1')}\nendstream"
    return media.PDF, written([[(9, 9, 9, "x")]], extra=stream).replace(
        b"/Contents 5 0 R", b"/Contents 7 0 R"
    )


def looping_pdf() -> Hostile:
    """A page tree that contains itself."""
    return media.PDF, written([[(9, 9, 9, "x")]]).replace(b"/Kids[4 0 R]", b"/Kids[2 0 R]")


def encrypted_pdf() -> Hostile:
    handler = f"<</Filter/Standard/V 1/R 2/O<{'41' * 32}>/U<{'42' * 32}>/P -44>>"
    data = written([[(72, 700, 12, "secret")]], extra=handler, trailer="/Encrypt 7 0 R/ID[<41><41>]")
    return media.PDF, data


def encrypted_docx() -> Hostile:
    """An OLE container, as Office writes it around a document with a password."""
    name = "EncryptedPackage".encode("utf-16-le")
    return media.DOCX, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1016) + name + bytes(2000)


def encrypted_odt() -> Hostile:
    names = 'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
    entry = '<manifest:file-entry manifest:full-path="content.xml"><manifest:encryption-data/>'
    manifest = f"<manifest:manifest {names}>{entry}</manifest:file-entry></manifest:manifest>"
    entries = {"content.xml": noise(400).decode("latin-1"), "META-INF/manifest.xml": manifest}
    return media.ODT, archive(entries, mimetype=media.ODT)


def noise(size: int) -> bytes:
    return random.Random(4).randbytes(size)


BOMBS: dict[str, Callable[[], Hostile]] = {
    maker.__name__: maker
    for maker in (
        zip_bomb,
        text_bomb,
        billion_laughs,
        deep_docx,
        deep_html,
        deep_json,
        wide_sheet,
        pdf_bomb,
        looping_pdf,
    )
}
LOCKED: dict[str, Callable[[], Hostile]] = {
    maker.__name__: maker for maker in (encrypted_pdf, encrypted_docx, encrypted_odt)
}


def _rebuilt(original: bytes, name: str, pieces: Iterator[bytes]) -> bytes:
    """The archive with one entry replaced or added, written piece by piece."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(original)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for entry in old.namelist():
            if entry != name:
                new.writestr(entry, old.read(entry))
        with new.open(name, "w", force_zip64=True) as out:
            for piece in pieces:
                out.write(piece)
    return buffer.getvalue()
