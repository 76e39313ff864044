"""PDF files whose objects point in circles, claim what is not there, or unpack without end."""

import zlib
from collections.abc import Callable, Mapping

from rag import media
from tests.documents import MAKERS

_CATALOGUE = "<</Type/Catalog/Pages 2 0 R>>"
_PAGES = "<</Type/Pages/Kids[3 0 R]/Count 1>>"
_PAGE = (
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]"
    "/Resources<</Font<</F 4 0 R>>/XObject<</I 6 0 R>>>>/Contents 5 0 R>>"
)
_FONT = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def _stream(content: str, more: str = "") -> str:
    return f"<</Length {len(content)}{more}>>stream\n{content}\nendstream"


_CONTENT = _stream("BT /F 12 Tf 72 700 Td (hello hostile) Tj ET")


def _file(objects: list[str], trailer: str = "") -> bytes:
    out, offsets = "%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    end = f"trailer<</Root 1 0 R/Size {size}{trailer}>>\nstartxref\n{len(out)}\n%%EOF\n"
    return f"{out}xref\n0 {size}\n0000000000 65535 f \n{table}{end}".encode("latin-1")


def _one_page(
    *more: str,
    catalogue: str = _CATALOGUE,
    pages: str = _PAGES,
    page: str = _PAGE,
    font: str = _FONT,
    content: str = _CONTENT,
    trailer: str = "",
) -> bytes:
    return _file([catalogue, pages, page, font, content, *more], trailer)


def _packed(data: bytes, times: int) -> str:
    for _ in range(times):
        data = zlib.compress(data, 9)
    return data.decode("latin-1")


def _bomb(times: int) -> bytes:
    text = b"BT /F 9 Tf 9 9 Td (x) Tj ET\n" * 3_000_000
    filters = f"/Filter[{'/FlateDecode' * times}]"
    return _one_page("null", content=_stream(_packed(text, times), filters))


def _image() -> bytes:
    pixels = _packed(bytes(30_000_000), 1)
    about = (
        "/Type/XObject/Subtype/Image/Width 30000/Height 30000/ColorSpace/DeviceRGB"
        "/BitsPerComponent 8/Filter/FlateDecode"
    )
    draw = _stream("q 600 0 0 700 0 0 cm /I Do Q BT /F 12 Tf 72 700 Td (image) Tj ET")
    return _one_page(_stream(pixels, about), content=draw)


def _forms(self_named: bool) -> bytes:
    """Forms that draw themselves, or each twice the next: 2^22 drawings."""
    if self_named:
        form = _stream(
            "/I Do /I Do", "/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</I 6 0 R>>>>"
        )
        return _one_page(form, content=_stream("/I Do"))
    forms = [
        _stream(
            "/I Do /I Do",
            f"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</I {number} 0 R>>>>",
        )
        for number in range(7, 29)
    ]
    last = _stream("BT ET", "/Type/XObject/Subtype/Form/BBox[0 0 9 9]")
    return _one_page(*forms, last, content=_stream("/I Do"))


FILES: Mapping[str, Callable[[], bytes]] = {
    "count-beyond.pdf": lambda: _one_page("null", pages="<</Type/Pages/Kids[3 0 R]/Count 2147483647>>"),
    "kids-of-itself.pdf": lambda: _one_page("null", pages="<</Type/Pages/Kids[2 0 R 3 0 R 2 0 R]/Count 3>>"),
    "kids-fan.pdf": lambda: _file(
        [
            _CATALOGUE,
            *(f"<</Type/Pages/Kids[{f'{n + 1} 0 R ' * 40}]/Count 9999>>" for n in range(2, 10)),
            "<</Type/Page/MediaBox[0 0 9 9]>>",
        ]
    ),
    "kids-chain.pdf": lambda: _file(
        [
            _CATALOGUE,
            *(f"<</Type/Pages/Kids[{n + 1} 0 R]/Count 1>>" for n in range(2, 8_000)),
            "<</Type/Page/MediaBox[0 0 9 9]>>",
        ]
    ),
    "many-pages.pdf": lambda: _one_page(
        "null", pages="<</Type/Pages/Kids[" + "3 0 R " * 20_000 + "]/Count 20000>>"
    ),
    "forms-of-themselves.pdf": lambda: _forms(self_named=True),
    "forms-doubling.pdf": lambda: _forms(self_named=False),
    "outline-loop.pdf": lambda: _one_page(
        "<</Type/Outlines/First 7 0 R/Last 7 0 R/Count 1>>",
        "<</Title(a)/Parent 6 0 R/Next 7 0 R/First 7 0 R/Dest[3 0 R/Fit]>>",
        catalogue="<</Type/Catalog/Pages 2 0 R/Outlines 6 0 R>>",
    ),
    "earlier-table-loop.pdf": lambda: _one_page("null", trailer="/Prev 9"),
    "filter-chain.pdf": lambda: _one_page(
        "null", content=_stream("x" * 20, f"/Filter[{'/FlateDecode' * 2000}]")
    ),
    "packed-once.pdf": lambda: _bomb(1),
    "packed-twice.pdf": lambda: _bomb(2),
    "packed-thrice.pdf": lambda: _bomb(3),
    "run-lengths.pdf": lambda: _one_page(
        "null", content=_stream("\x81\x00" * 15, "/Filter[/RunLengthDecode/LZWDecode/ASCII85Decode]")
    ),
    "wide-predictor.pdf": lambda: _one_page(
        "null",
        content=_stream(
            _packed(b"x" * 50, 1),
            "/Filter/FlateDecode/DecodeParms"
            "<</Predictor 15/Columns 2147483647/Colors 32/BitsPerComponent 16>>",
        ),
    ),
    "image.pdf": _image,
    "broken-font.pdf": lambda: _one_page(
        "<</Type/FontDescriptor/FontName/X/FontFile2 7 0 R/Flags 4>>",
        _stream("\x00\x01\x00\x00" + "\xff" * 60),
        font="<</Type/Font/Subtype/TrueType/BaseFont/X/FontDescriptor 6 0 R>>",
    ),
    "character-map.pdf": lambda: _one_page(
        _stream("beginbfrange <0000> <FFFF> <0041> endbfrange begincidrange <00000000> <FFFFFFFF> 0 endcid"),
        font="<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>",
    ),
    "object-stream.pdf": lambda: _one_page(
        _stream("1 0 2 5 <<>> <<>>", "/Type/ObjStm/N 2147483647/First 10/Extends 6 0 R")
    ),
    "deep-lists.pdf": lambda: _one_page("[" * 100_000 + "]" * 100_000),
    "deep-records.pdf": lambda: _one_page(
        "null", page=_PAGE[:-2] + "/X" + "<</X" * 100_000 + " 1" + ">>" * 100_001
    ),
    "no-box.pdf": lambda: _one_page(
        "null", page=_PAGE.replace("[0 0 612 792]", "[-1e308 1e308 999999999999999999999 NaN]")
    ),
    "long-string.pdf": lambda: _one_page("null", content=_stream(f"BT /F 9 Tf ({'A' * 8_000_000}) Tj ET")),
    "script.pdf": lambda: _one_page(
        "<</S/JavaScript/JS(app.alert(1))>>", catalogue="<</Type/Catalog/Pages 2 0 R/OpenAction 6 0 R>>"
    ),
    "launch.pdf": lambda: _one_page(
        "<</S/Launch/F(/bin/sh)>>", catalogue="<</Type/Catalog/Pages 2 0 R/OpenAction 6 0 R>>"
    ),
    "attachment.pdf": lambda: _one_page(
        _stream("MZevil", "/Type/EmbeddedFile"),
        "<</Type/Filespec/F(evil.exe)/EF<</F 6 0 R>>>>",
        catalogue="<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[(a) 7 0 R]>>>>>>",
    ),
    "late-header.pdf": lambda: b"\n" * 900 + MAKERS[media.PDF](),
    "too-late-header.pdf": lambda: b"x" * 2_000 + MAKERS[media.PDF](),
    "also-a-zip.pdf": lambda: MAKERS[media.PDF]() + MAKERS[media.DOCX](),
    "also-a-page.html": lambda: b"<!doctype html><html><body>" + MAKERS[media.PDF](),
    "also-a-page.docx": lambda: b"%PDF-1.4\n" + MAKERS[media.DOCX](),
    "noise.pdf": lambda: b"%PDF-1.7\n" + bytes(range(256)) * 200,
    "picture.pdf": lambda: b"\x89PNG\r\n\x1a\n" + bytes(500),
    "program.docx": lambda: b"\x7fELF" + bytes(500),
}
