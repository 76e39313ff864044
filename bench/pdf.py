"""A PDF file of plain text, as simple as the format allows (ISO 32000-1, 7.5): to measure how it is read."""

from collections.abc import Iterator
from textwrap import wrap

LINES, COLUMNS = 50, 80  # of a page


def pdf_of(text: str) -> bytes:
    """A file with the text on as many pages as it takes; what is not Latin-1 becomes a question mark."""
    lines = wrap(text, COLUMNS)
    pages = [lines[start : start + LINES] for start in range(0, len(lines), LINES)]
    return _file(list(_objects(pages)))


def _objects(pages: list[list[str]]) -> Iterator[bytes]:
    """Catalogue, tree of pages, font, then each page and its content."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    yield b"<< /Type /Catalog /Pages 2 0 R >>"
    yield f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode()
    yield b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    for number, lines in enumerate(pages):
        yield (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        ).encode()
        content = _content(lines)
        yield f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream"


def _content(lines: list[str]) -> bytes:
    shown = (line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in lines)
    text = " ".join(f"({line}) Tj T*" for line in shown)
    return f"BT /F1 10 Tf 14 TL 50 792 Td {text} ET".encode("latin-1", "replace")


def _file(objects: list[bytes]) -> bytes:
    made, places = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, content in enumerate(objects, 1):
        places.append(len(made))
        made += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = len(made)
    made += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    made += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    made += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(made)
