"""The handbook as PDF, written object by object."""

from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType

from PIL import Image
from pypdfium2 import PdfBitmap, PdfDocument, PdfImage, PdfMatrix

from tests.documents.content import HEADINGS, SENTENCES, TABLE, TITLE

Line = tuple[int, int, int, str]
"""x, y and font size in points, and what stands there."""


def pdf() -> bytes:
    """Two pages; the table is on the first."""
    cells = [
        (72 + 140 * column, 560 - 20 * row, 11, cell)
        for row, cells in enumerate(TABLE)
        for column, cell in enumerate(cells)
    ]
    first = [(72, 740, 26, TITLE), (72, 690, 18, HEADINGS[0]), (72, 650, 11, SENTENCES[0]), *cells]
    second = [(72, 740, 18, HEADINGS[1]), (72, 700, 11, SENTENCES[1])]
    return written([first, second], title=TITLE)


def written(
    pages: list[list[Line]],
    *,
    title: str = "",
    extra: str = "",
    trailer: str = "",
    drawn: Mapping[int, str] = MappingProxyType({}),
) -> bytes:
    """A PDF of these pages in Helvetica; ``extra`` holds further objects, ``trailer`` entries.

    ``drawn``: what is drawn beside the text, in the operators of PDF, by the number of the page.
    """
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    for number, lines in enumerate(pages):
        content = "\n".join(f"BT /F {size} Tf {x} {y} Td ({text}) Tj ET" for x, y, size, text in lines)
        content += f"\n{drawn.get(number + 1, '')}"
        objects.append(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 3 0 R>>>>"
            f"/Contents {5 + 2 * number} 0 R>>"
        )
        objects.append(f"<</Length {len(content)}>>stream\n{content}\nendstream")
    objects.append(f"<</Title({title})>>")
    if extra:
        objects.append(extra)
    return _assembled(objects, f"/Info {4 + 2 * len(pages)} 0 R{trailer}")


def turned(lines: list[Line]) -> bytes:
    """A page that is shown turned by a right angle, with its ``lines`` written so that they stand upright."""
    content = "\n".join(
        f"BT /F {size} Tf 0 1 -1 0 {792 - y} {x} Tm ({text}) Tj ET" for x, y, size, text in lines
    )
    document = PdfDocument(written([[]], drawn={1: content}))
    document[0].set_mediabox(0, 0, 792, 612)
    document[0].set_rotation(90)
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def with_picture(
    pages: list[list[Line]], pictures: Mapping[int, bytes], place: tuple[int, int, int, int] | None = None
) -> bytes:
    """:func:`written` pages, on each of which a grey picture (a PNG file) is drawn, by its number.

    ``place``: left, bottom, width and height of the pictures in points, the whole page without it.
    """
    plain = PdfDocument(written(pages))
    for number, png in pictures.items():
        page = plain[number - 1]
        image = PdfImage.new(plain)
        image.set_bitmap(PdfBitmap.from_pil(Image.open(BytesIO(png))))
        left, bottom, *size = place or (0, 0, *page.get_size())
        image.set_matrix(PdfMatrix().scale(*size).translate(left, bottom))
        page.insert_obj(image)
        page.gen_content()
    out = BytesIO()
    plain.save(out)
    return out.getvalue()


def _assembled(objects: list[str], trailer: str) -> bytes:
    out = "%PDF-1.5\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return (
        f"{out}xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer<</Root 1 0 R/Size {size}{trailer}>>\nstartxref\n{len(out)}\n%%EOF\n"
    ).encode("latin-1")
