"""The handbook as zipped XML: Office, OpenDocument and EPUB."""

import io
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import escape

from rag import media
from tests.documents.content import HEADINGS, OTHER_ALPHABETS, SENTENCES, TABLE, TITLE

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
_TYPES = "application/vnd.openxmlformats-officedocument"


def archive(entries: dict[str, str], mimetype: str | None = None) -> bytes:
    """A zip; ``mimetype`` goes first and uncompressed, as OpenDocument and EPUB want it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        if mimetype:
            out.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        for name, content in entries.items():
            out.writestr(name, content)
    return buffer.getvalue()


def docx(body: str | None = None) -> bytes:
    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"

    def paragraph(text: str, style: str = "") -> str:
        mark = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
        return f"<w:p>{mark}<w:r><w:t>{escape(text)}</w:t></w:r></w:p>"

    rows = "".join(
        "<w:tr>" + "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>" for row in TABLE
    )
    content = body or (
        paragraph(HEADINGS[0], "Heading1")
        + paragraph(SENTENCES[0])
        + paragraph(OTHER_ALPHABETS)
        + f"<w:tbl>{rows}</w:tbl>"
        + paragraph(HEADINGS[1], "Heading1")
        + paragraph(SENTENCES[1])
    )
    styles = (
        '<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/>'
        '<w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>'
    )
    return archive(
        {
            "[Content_Types].xml": _content_types(
                {
                    "/word/document.xml": f"{_TYPES}.wordprocessingml.document.main+xml",
                    "/word/styles.xml": f"{_TYPES}.wordprocessingml.styles+xml",
                }
            ),
            "_rels/.rels": _package_relations("word/document.xml"),
            "docProps/core.xml": _core(),
            "word/_rels/document.xml.rels": _relations({"s": ("styles", "styles.xml")}),
            "word/styles.xml": f'{_XML}<w:styles xmlns:w="{word}">{styles}</w:styles>',
            "word/document.xml": f'{_XML}<w:document xmlns:w="{word}"><w:body>{content}</w:body>'
            "</w:document>",
        }
    )


def pptx(table: str | None = None) -> bytes:
    """``table``: the rows of the table on the first slide."""
    slides = ((HEADINGS[0], (SENTENCES[0], OTHER_ALPHABETS), True), (HEADINGS[1], (SENTENCES[1],), False))
    numbers = range(1, len(slides) + 1)
    types = {f"/ppt/slides/slide{n}.xml": f"{_TYPES}.presentationml.slide+xml" for n in numbers}
    types["/ppt/presentation.xml"] = f"{_TYPES}.presentationml.presentation.main+xml"
    ids = "".join(f'<p:sldId id="{255 + n}" r:id="r{n}"/>' for n in numbers)
    entries = {
        "[Content_Types].xml": _content_types(types),
        "_rels/.rels": _package_relations("ppt/presentation.xml"),
        "docProps/core.xml": _core(),
        "ppt/presentation.xml": f"{_XML}<p:presentation {_SLIDE_NAMES}>"
        f"<p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": _relations(
            {f"r{n}": ("slide", f"slides/slide{n}.xml") for n in numbers}
        ),
    }
    for number, slide in zip(numbers, slides, strict=True):
        entries[f"ppt/slides/slide{number}.xml"] = _slide(*slide, table)
    return archive(entries)


_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_SLIDE_NAMES = (
    f'xmlns:a="{_DRAWING}" xmlns:r="{_OFFICE}/relationships" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
)


def _slide(title: str, paragraphs: tuple[str, ...], with_table: bool, table: str | None) -> str:
    def shape(number: int, kind: str, texts: tuple[str, ...]) -> str:
        body = "".join(f"<a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p>" for text in texts)
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{kind}"/><p:cNvSpPr/>'
            f'<p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:spPr><a:xfrm><a:off x="0" y="{number}00"/>'
            f'<a:ext cx="900" cy="90"/></a:xfrm></p:spPr><p:txBody><a:bodyPr/>{body}</p:txBody></p:sp>'
        )

    frame = ""
    if with_table:
        rows = table or "".join(
            '<a:tr h="10">'
            + "".join(
                f"<a:tc><a:txBody><a:bodyPr/><a:p><a:r><a:t>{cell}</a:t></a:r></a:p></a:txBody></a:tc>"
                for cell in row
            )
            + "</a:tr>"
            for row in TABLE
        )
        frame = (
            '<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id="9" name="t"/><p:cNvGraphicFramePr/><p:nvPr/>'
            '</p:nvGraphicFramePr><p:xfrm><a:off x="0" y="900"/><a:ext cx="900" cy="90"/></p:xfrm><a:graphic>'
            f'<a:graphicData uri="{_DRAWING.replace("main", "table")}"><a:tbl><a:tblPr/>{rows}</a:tbl>'
            "</a:graphicData></a:graphic></p:graphicFrame>"
        )
    shapes = shape(2, "title", (title,)) + shape(3, "body", paragraphs) + frame
    head = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
    return f"{_XML}<p:sld {_SLIDE_NAMES}><p:cSld><p:spTree>{head}{shapes}</p:spTree></p:cSld></p:sld>"


def xlsx() -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheets = {
        HEADINGS[0]: (*TABLE, (SENTENCES[0],), (OTHER_ALPHABETS,)),
        HEADINGS[1]: (("Rule", "Since"), (SENTENCES[1], "1911")),
    }
    numbers = range(1, len(sheets) + 1)
    types = {f"/xl/worksheets/sheet{n}.xml": f"{_TYPES}.spreadsheetml.worksheet+xml" for n in numbers}
    types["/xl/workbook.xml"] = f"{_TYPES}.spreadsheetml.sheet.main+xml"
    names = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in zip(numbers, sheets, strict=True)
    )
    entries = {
        "[Content_Types].xml": _content_types(types),
        "_rels/.rels": _package_relations("xl/workbook.xml"),
        "docProps/core.xml": _core(),
        "xl/workbook.xml": f'{_XML}<workbook xmlns="{main}" xmlns:r="{_OFFICE}/relationships">'
        f"<sheets>{names}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(
            {f"r{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in numbers}
        ),
    }
    for number, rows in zip(numbers, sheets.values(), strict=True):
        entries[f"xl/worksheets/sheet{number}.xml"] = _sheet(main, rows)
    return archive(entries)


def _sheet(main: str, rows: tuple[tuple[str, ...], ...]) -> str:
    data = "".join(
        f'<row r="{r}">'
        + "".join(
            f'<c r="{chr(65 + c)}{r}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
            for c, cell in enumerate(row)
        )
        + "</row>"
        for r, row in enumerate(rows, 1)
    )
    return f'{_XML}<worksheet xmlns="{main}"><sheetData>{data}</sheetData></worksheet>'


def odt(content: str | None = None, **parts: str) -> bytes:
    """``parts``: other parts, such as ``styles``, as the elements within their root."""
    heading = '<text:h text:outline-level="1">{}</text:h>'
    paragraph = "<text:p>{}</text:p>"
    body = content or (
        heading.format(HEADINGS[0])
        + paragraph.format(SENTENCES[0])
        + paragraph.format(OTHER_ALPHABETS)
        + f'<table:table table:name="t">{_odf_rows()}</table:table>'
        + heading.format(HEADINGS[1])
        + paragraph.format(SENTENCES[1])
    )
    return _odf("text", body, media.ODT, parts)


def ods(content: str | None = None, **parts: str) -> bytes:
    """``content``: the sheets. Without it there are two, the table is in the first."""
    cell = "<table:table-row><table:table-cell><text:p>{}</text:p></table:table-cell></table:table-row>"
    sheet = '<table:table table:name="{}">{}</table:table>'
    first = f"{cell.format(SENTENCES[0])}<table:table-row/>{_odf_rows()}"
    second = cell.format(SENTENCES[1]) + cell.format(OTHER_ALPHABETS)
    sheets = sheet.format(HEADINGS[0], first) + sheet.format(HEADINGS[1], second)
    return _odf("spreadsheet", content or sheets, media.ODS, parts)


def _odf_rows() -> str:
    return "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in row)
        + "</table:table-row>"
        for row in TABLE
    )


def _odf(kind: str, body: str, mimetype: str, parts: Mapping[str, str]) -> bytes:
    """A file of OpenDocument. ``parts``: others, such as ``styles``, as the elements within their root."""
    names = " ".join(
        f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{short}:1.0"'
        for short in ("office", "text", "table", "meta", "manifest", "style", "draw", "presentation")
    )
    names += ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:calcext="urn:org:calcext:1.0"'
    meta = f'<dc:title xmlns:dc="http://purl.org/dc/elements/1.1/">{TITLE}</dc:title>'
    return archive(
        {
            "content.xml": f"{_XML}<office:document-content {names}><office:body><office:{kind}>{body}"
            f"</office:{kind}></office:body></office:document-content>",
            "meta.xml": f"{_XML}<office:document-meta {names}><office:meta>{meta}"
            "</office:meta></office:document-meta>",
            "META-INF/manifest.xml": f"{_XML}<manifest:manifest {names}/>",
            **{
                f"{name}.xml": f"{_XML}<office:document-{name} {names}>{part}</office:document-{name}>"
                for name, part in parts.items()
            },
        },
        mimetype=mimetype,
    )


def epub(chapter: str | None = None) -> bytes:
    """``chapter``: what the first one holds."""
    page = (
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>{0}</title></head>'
        "<body><h1>{0}</h1>{1}</body></html>"
    )
    rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in TABLE)
    first = chapter or f"<p>{SENTENCES[0]}</p><p>{OTHER_ALPHABETS}</p><table>{rows}</table>"
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{TITLE}</dc:title><dc:language>en</dc:language>'
        '<dc:identifier id="id">x</dc:identifier></metadata><manifest>'
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>'
        '</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
    )
    return archive(
        {
            "META-INF/container.xml": '<?xml version="1.0"?><container version="1.0" '
            'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
            'full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
            "book.opf": f'<?xml version="1.0"?>{package}',
            "a.xhtml": page.format(HEADINGS[0], first),
            "b.xhtml": page.format(HEADINGS[1], f"<p>{SENTENCES[1]}</p>"),
        },
        mimetype=media.EPUB,
    )


def _content_types(parts: dict[str, str]) -> str:
    overrides = "".join(f'<Override PartName="{part}" ContentType="{kind}"/>' for part, kind in parts.items())
    return (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f"{overrides}</Types>"
    )


def _package_relations(main: str) -> str:
    core = f"{_PACKAGE}/relationships/metadata/core-properties"
    return (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="a" Type="{_OFFICE}/relationships/officeDocument" Target="{main}"/>'
        f'<Relationship Id="b" Type="{core}" Target="docProps/core.xml"/></Relationships>'
    )


def _relations(targets: dict[str, tuple[str, str]]) -> str:
    rows = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/relationships/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


def _core() -> str:
    return (
        f'{_XML}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{TITLE}</dc:title></cp:coreProperties>'
    )
