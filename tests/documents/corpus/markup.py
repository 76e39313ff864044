"""XML inside of office files, and web pages: entities, depth, width, and encodings that lie."""

from collections.abc import Callable, Mapping
from functools import partial

from tests.documents.corpus.archives import entry, rebuild
from tests.documents.office import docx, epub, ods, odt, pptx

_DOCUMENT, _SLIDE, _CONTENT, _CHAPTER = "word/document.xml", "ppt/slides/slide1.xml", "content.xml", "a.xhtml"


def _typed(xml: str, declarations: str, reference: str) -> str:
    """``xml`` with a document type, and a reference at the start of its first element's content."""
    prolog, _, rest = xml.partition("?>")
    head, _, tail = rest.partition(">")
    return f"{prolog}?><!DOCTYPE d [{declarations}]>{head}>{reference}{tail}"


def _laughs(xml: str) -> str:
    steps = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return _typed(xml, f'<!ENTITY a0 "lol ">{steps}', "&a9;")


def _quadratic(xml: str) -> str:
    return _typed(xml, f'<!ENTITY a "{"A" * 50_000}">', "&a;" * 50_000)


def _recursive(xml: str) -> str:
    return _typed(xml, '<!ENTITY a "&b;"><!ENTITY b "&a;">', "&a;")


def _external(xml: str) -> str:
    return _typed(xml, '<!ENTITY a SYSTEM "file:///etc/passwd">', "secret &a;")


def _remote(xml: str) -> str:
    return _typed(xml, '<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;', "x")


def _wide(xml: str) -> str:
    head, _, tail = xml.partition("?>")
    attributes = " ".join(f'a{n}="1"' for n in range(100_000))
    first, _, rest = tail.partition(">")
    return f"{head}?>{first} {attributes}>{rest}"


def _deep(xml: str) -> str:
    return xml.replace("</", "<a>" * 100_000 + "</", 1)


def _controls(xml: str) -> str:
    return xml.replace("</", "a\x00b\x01c\x1b[31m\ufffe</", 1)


def _long_comment(xml: str) -> str:
    return xml.replace("?>", "?><!--" + "- " * 2_000_000 + "-->", 1)


def _instructions(xml: str) -> str:
    return xml.replace("?>", "?>" + "<?a b?>" * 200_000, 1)


_XML: Mapping[str, Callable[[str], str]] = {
    "laughs": _laughs,
    "quadratic": _quadratic,
    "recursive": _recursive,
    "external": _external,
    "remote": _remote,
    "wide": _wide,
    "deep": _deep,
    "controls": _controls,
    "long-comment": _long_comment,
    "instructions": _instructions,
}
_HOLDERS = {
    "docx": (docx, _DOCUMENT),
    "pptx": (pptx, _SLIDE),
    "odt": (odt, _CONTENT),
    "ods": (ods, _CONTENT),
    "epub": (epub, _CHAPTER),
}


def _with(make: Callable[[], bytes], name: str, change: Callable[[str], str]) -> bytes:
    data = make()
    return rebuild(data, {name: change(entry(data, name)).encode("utf-8", "replace")})


def _document(body: str) -> Callable[[], bytes]:
    return lambda: docx(body=body)


def _content(old: str, new: str, make: Callable[[], bytes] = odt) -> Callable[[], bytes]:
    return partial(_with, make, _CONTENT, lambda xml: xml.replace(old, new))


def _page(body: bytes) -> Callable[[], bytes]:
    return lambda: b"<!doctype html><html><body>" + body


_CELL = "<w:p><w:r><w:t>x</w:t></w:r></w:p>"

FILES: Mapping[str, Callable[[], bytes]] = {
    **{
        f"xml-{name}.{ending}": partial(_with, make, holder, change)
        for ending, (make, holder) in _HOLDERS.items()
        for name, change in _XML.items()
    },
    "tables-in-tables.docx": lambda: docx(
        body="<w:tbl><w:tr><w:tc>" * 4_000 + _CELL + "</w:tc></w:tr></w:tbl>" * 4_000
    ),
    "spans-of-a-billion.docx": _document(
        '<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="2147483647"/></w:tcPr>'
        + _CELL
        + "</w:tc></w:tr></w:tbl>"
    ),
    "many-paragraphs.docx": lambda: docx(body=_CELL * 300_000),
    "white-space.docx": lambda: docx(
        body='<w:p><w:r><w:t xml:space="preserve">start' + " " * 10_000_000 + "end</w:t></w:r></w:p>"
    ),
    "one-word.docx": lambda: docx(body="<w:p><w:r><w:t>" + "x" * 10_000_000 + "</w:t></w:r></w:p>"),
    "rules.docx": lambda: docx(body="<w:p><w:r><w:t>" + "|-" * 200_000 + "</w:t></w:r></w:p>"),
    "repeated-cells.odt": _content(
        "<table:table-cell>", '<table:table-cell table:number-columns-repeated="1000000000">'
    ),
    "repeated-rows.odt": _content(
        "<table:table-row>", '<table:table-row table:number-rows-repeated="1000000000">'
    ),
    "repeated-cells.ods": _content(
        "<table:table-cell>", '<table:table-cell table:number-columns-repeated="1000000000">', ods
    ),
    "repeated-rows.ods": _content(
        "<table:table-row>", '<table:table-row table:number-rows-repeated="1000000000">', ods
    ),
    "repeated-all.ods": _content(
        "<table:table-row><table:table-cell>",
        '<table:table-row table:number-rows-repeated="900000">'
        '<table:table-cell table:number-columns-repeated="16000" table:number-rows-spanned="900000">',
        ods,
    ),
    "repeated-spaces.odt": _content("<text:p>", '<text:p><text:s text:c="2000000000"/>'),
    "deep-spans.odt": _content("<text:p>", "<text:p>" + "<text:span>" * 50_000),
    "long-spine.epub": partial(
        _with,
        epub,
        "book.opf",
        lambda xml: xml.replace('<itemref idref="a"/>', '<itemref idref="a"/>' * 100_000),
    ),
    "escaping-chapter.epub": partial(
        _with, epub, "book.opf", lambda xml: xml.replace('href="a.xhtml"', 'href="../../../../etc/passwd"')
    ),
    "looping-container.epub": partial(
        _with,
        epub,
        "META-INF/container.xml",
        lambda xml: xml.replace("book.opf", "META-INF/container.xml"),
    ),
    "deep-tables.html": _page(b"<table><tr><td>" * 40_000 + b"x"),
    "deep-lists.html": _page(b"<ul><li>" * 30_000 + b"x"),
    "deep-formats.html": _page(b"<b><i><u><a href=x>" * 15_000 + b"text" + b"<p>" * 15_000),
    "deep-selects.html": _page(b"<select><template><option>" * 15_000 + b"x"),
    "deep-mathematics.html": _page(b"<math><annotation-xml encoding=text/html><svg><foreignObject>" * 4_000),
    "long-attribute.html": _page(b'<p title="' + b"a" * 10_000_000 + b'">x</p>'),
    "many-attributes.html": _page(b"<p " + b" ".join(b"a%d=1" % n for n in range(100_000)) + b">text</p>"),
    "open-comments.html": _page(b"<!--" * 100_000 + b"x"),
    "entities.html": _page(b"&amp" * 1_000_000),
    "null-bytes.html": _page(b"\0\0<p>a\0b</p>" + b"\0" * 1_000),
    "scripts.html": _page(
        b"<svg onload=alert(1)><script>alert(2)</script></svg><img src=x onerror=alert(3)>"
        b"<p>words [1] [2]</p><iframe src=file:///etc/passwd></iframe>"
    ),
    "title-escapes.html": lambda: (
        b"<!doctype html><html><head><title>\x1b]0;owned\x07\x1b[31mred [bold]</title></head><body><p>text"
    ),
    **{
        f"charset-{name}.html": lambda name=name, body=body: (  # type: ignore[misc]
            b'<!doctype html><html><head><meta charset="' + name.encode() + b'"></head><body>' + body
        )
        for name, body in {
            "utf-7": b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
            "punycode": b"a-b" * 100_000,
            "idna": b"xn--a." * 50_000,
            "unicode_escape": b"\\ud800\\x00\\N{BULLET}",
            "undefined": b"<p>text</p>",
            "zlib": b"x\x9c<p>text</p>",
            "utf-16": "<p>text</p>".encode("utf-16"),
        }.items()
    },
}
