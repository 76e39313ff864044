"""PPTX, in this process: the order in which slides are shown, and whose notes are whose."""

import zipfile
from io import BytesIO

from rag.parsing.package import Package
from rag.parsing.pptx import Slide, slides_of
from rag.parsing.pptx_tables import with_filled_cells
from tests.documents.office import archive, pptx

_P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def relations(**targets: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{rows}</Relationships>'


def notes(words: str) -> str:
    def shape(kind: str, text: str) -> str:
        return f'<p:sp><p:nvPr><p:ph type="{kind}"/></p:nvPr><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sp>'

    return f"<p:notes {_P} {_A}>{shape('body', words)}{shape('sldNum', '7')}</p:notes>"


def test_slides_have_the_numbers_and_notes_with_which_they_are_shown():
    ids = "".join(f'<p:sldId id="{n}" r:id="{key}"/>' for n, key in enumerate(("c", "a", "b")))
    data = archive(
        {
            "ppt/presentation.xml": f'<p:presentation {_P} xmlns:r="{_OFFICE}"><p:sldIdLst>{ids}</p:sldIdLst>'
            "</p:presentation>",
            "ppt/_rels/presentation.xml.rels": relations(
                a=("slide", "slides/slide1.xml"),
                b=("slide", "/ppt/slides/slide2.xml"),
                c=("slide", "slides/slide10.xml"),
            ),
            **{f"ppt/slides/slide{n}.xml": "<p/>" for n in (10, 1, 2, 3)},
            "ppt/slides/_rels/slide2.xml.rels": relations(n=("notesSlide", "../notesSlides/notesSlide1.xml")),
            "ppt/notesSlides/notesSlide1.xml": notes("Lost because of the price"),
        }
    )

    with zipfile.ZipFile(BytesIO(data)) as package:
        slides = slides_of(Package(package))

    assert slides == [
        Slide(2, ""),
        Slide(3, "Lost because of the price"),
        Slide(None, ""),
        Slide(1, ""),
    ]


def test_a_cell_over_several_rows_is_read_in_each():
    def cell(words: str, attributes: str = "") -> str:
        body = f"<a:txBody><a:bodyPr/><a:p><a:r><a:t>{words}</a:t></a:r></a:p></a:txBody>"
        return f"<a:tc {attributes}>{body}</a:tc>"

    rows = (
        [cell("Site"), cell("Shift"), cell("Lead")],
        [cell("Graz", 'rowSpan="2"'), cell("Early"), cell("Ada")],
        [cell("", 'vMerge="1"'), cell("Late"), cell("R&amp;D")],
        [cell("Linz"), cell("Early"), cell("Cy")],
    )
    data = pptx("".join(f'<a:tr h="1">{"".join(row)}</a:tr>' for row in rows))

    with zipfile.ZipFile(BytesIO(with_filled_cells(data))) as file:
        slide = file.read("ppt/slides/slide1.xml").decode()

    assert slide.count("Graz") == 2
    assert "Graz" in slide.split("<a:tr ")[3]
    assert with_filled_cells(pptx()) == pptx()
