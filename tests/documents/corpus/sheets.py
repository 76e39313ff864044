"""Spreadsheets whose cells lie far apart, are many, or point nowhere; tables and records as text."""

import io
import zipfile
from collections.abc import Callable, Mapping

from tests.documents.corpus.archives import rebuild
from tests.documents.office import xlsx

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SHEET = "xl/worksheets/sheet1.xml"


def _sheet(rows: str, before: str = "") -> bytes:
    xml = f'<?xml version="1.0"?><worksheet xmlns="{_MAIN}">{before}<sheetData>{rows}</sheetData></worksheet>'
    return rebuild(xlsx(), {_SHEET: xml.encode()})


def _cell(place: str, text: str = "x") -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def _long_strings() -> bytes:
    block = b"<si><t>aaaaaaaaaaaaaaaa</t></si>" * 32_768
    data, buffer = xlsx(), io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
        with new.open("xl/sharedStrings.xml", "w", force_zip64=True) as out:
            for _ in range(150):
                out.write(block)
    return buffer.getvalue()


def _path_by_depth() -> bytes:
    leaf = b"[" + b",".join(b'{"a":"value number %d"}' % n for n in range(2_000)) + b"]"
    for _ in range(700):
        leaf = b'{"' + b"k" * 500 + b'":' + leaf + b"}"
    return leaf


FILES: Mapping[str, Callable[[], bytes]] = {
    "empty-rows.xlsx": lambda: _sheet("".join(f'<row r="{n}"/>' for n in range(1, 300_001))),
    "widest-row.xlsx": lambda: _sheet(
        '<row r="1">' + '<c t="inlineStr"><is><t>c</t></is></c>' * 16_384 + "</row>"
    ),
    "far-corner.xlsx": lambda: _sheet(
        f'<row r="1">{_cell("A1")}</row><row r="1048576">{_cell("XFD1048576")}</row>',
        '<dimension ref="A1:XFD1048576"/>',
    ),
    "diagonal.xlsx": lambda: _sheet(
        "".join(f'<row r="{n * 1000 + 1}">{_cell(f"XFD{n * 1000 + 1}")}</row>' for n in range(1_000))
    ),
    "place-beyond.xlsx": lambda: _sheet(f'<row r="99999999999">{_cell("ZZZZZZ99999999999")}</row>'),
    "negative-size.xlsx": lambda: _sheet(
        '<row r="1"><c r="A1"><v>1</v></c></row>', '<dimension ref="B2:A1"/>'
    ),
    "string-beyond.xlsx": lambda: _sheet('<row r="1"><c r="A1" t="s"><v>4294967295</v></c></row>'),
    "number-words.xlsx": lambda: _sheet(f'<row r="1"><c r="A1"><v>{"9" * 100_000}</v></c></row>'),
    "dates-beyond.xlsx": lambda: _sheet(
        '<row r="1"><c r="A1" s="1"><v>1e308</v></c><c r="B1"><v>NaN</v></c></row>'
    ),
    "formulas.xlsx": lambda: _sheet(f'<row r="1">{_cell("A1", "=cmd|&apos; /C calc&apos;!A0")}</row>'),
    "long-strings.xlsx": _long_strings,
    "many-columns.csv": lambda: (
        b",".join(b"c%d" % n for n in range(200_000)) + b"\n" + b",".join([b"1"] * 200_000)
    ),
    "many-rows.csv": lambda: b"name,age\n" + b"bob,1\n" * 500_000,
    "long-header.csv": lambda: b"H" * 100_000 + b",b\n" + b"1,2\n" * 2_000,
    "open-quote.csv": lambda: b'a,b\n"' + b"x,y\n" * 500_000,
    "quotes.csv": lambda: b"a,b\n" + b'""' * 1_000_000,
    "null-bytes.csv": lambda: b"a,b\n\0,\0\n" * 100,
    "formulas.csv": lambda: b'name,val\nx,=HYPERLINK("http://127.0.0.1/")\n@SUM(1),+1\n',
    "separators.csv": lambda: b",;\t|" * 300_000,
    "wide.json": lambda: b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(300_000)) + b"}",
    "deep-lists.json": lambda: b"[" * 500_000 + b"]" * 500_000,
    "deep-records.json": lambda: b'{"a":' * 900 + b"1" + b"}" * 900,
    "long-paths.json": _path_by_depth,
    "long-number.json": lambda: b'{"a":' + b"9" * 3_000_000 + b"}",
    "no-numbers.json": lambda: b'{"a":NaN,"b":Infinity,"c":-Infinity,"d":1e999999}',
    "same-names.json": lambda: b"{" + b'"a":1,' * 300_000 + b'"a":"last"}',
    "lone-surrogates.json": lambda: b'{"t":"\\ud800 text \\udfff","n":"a\\u0000b"}',
    "long-string.json": lambda: b'{"a":"' + b"b c " * 3_000_000 + b'"}',
    "white-space.json": lambda: b" " * 5_000_000 + b'{"a":' + b"\n" * 5_000_000 + b"1}",
    "many-records.jsonl": lambda: b'{"a":1}\n' * 300_000,
    "bad-record.jsonl": lambda: b'{"a":1}\n' * 1_000 + b"{bad\n",
    "deep-record.jsonl": lambda: b'{"a":1}\n' + b"[" * 100_000 + b"]" * 100_000,
}
