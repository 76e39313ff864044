"""PPTX, in this process: the order in which slides are shown, and whose notes are whose."""

import zipfile
from collections.abc import Sequence
from io import BytesIO

import pytest

from rag import media
from rag.parsing.formats import parse
from rag.parsing.package import Package
from rag.parsing.pptx import Slide, slides_of
from rag.parsing.pptx_tables import with_marked_tables
from tests.documents.content import SENTENCES
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


def cell(words: str, attributes: str = "") -> str:
    body = f"<a:txBody><a:bodyPr/><a:p><a:r><a:t>{words}</a:t></a:r></a:p></a:txBody>"
    return f"<a:tc {attributes}>{body}</a:tc>"


def over_all(words: str) -> list[str]:
    return [cell(words, 'gridSpan="3"'), *[cell("", 'hMerge="1"')] * 2]


HEADS = [cell("Site"), cell("Shift"), cell("Lead")]
GRAZ, LINZ = [cell("Graz"), cell("Early"), cell("Ada")], [cell("Linz"), cell("Late"), cell("R&amp;D | Bo")]
GRAZ_READ, LINZ_READ = "Site: Graz; Shift: Early; Lead: Ada", "Site: Linz; Shift: Late; Lead: R&D | Bo"


def read(*rows: Sequence[str]) -> list[str]:
    """The paragraphs of the table with these rows."""
    data = pptx("".join(f'<a:tr h="1">{"".join(row)}</a:tr>' for row in rows))
    text = parse(data, media.PPTX, 1 << 20).text
    return text[text.index("\n\n") : text.index(SENTENCES[0])].strip().split("\n\n")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(
            [HEADS, [cell("Graz", 'rowSpan="2"'), *GRAZ[1:]], [cell("", 'vMerge="1"'), *LINZ[1:]]],
            [GRAZ_READ, LINZ_READ.replace("Linz", "Graz")],
            id="a cell over several rows is read in each",
        ),
        pytest.param(
            [HEADS, over_all("North"), GRAZ, over_all("South"), LINZ],
            ["North", GRAZ_READ, "South", LINZ_READ],
            id="a row that spans all columns is the title of those below",
        ),
        pytest.param(
            [over_all("Shifts of 2026"), HEADS, GRAZ, LINZ],
            ["Shifts of 2026", GRAZ_READ, LINZ_READ],
            id="a first row that spans all columns is the title of the table",
        ),
        pytest.param(
            [HEADS, [cell("Graz"), cell("open", 'gridSpan="2"'), cell("", 'hMerge="1"')], LINZ],
            ["Site: Graz; Shift: open; Lead: open", LINZ_READ],
            id="a cell over two columns stands under both names",
        ),
        pytest.param(
            [
                [cell("Staff", 'gridSpan="2"'), cell("", 'hMerge="1"'), cell("Cost")],
                [cell("Site"), cell("Lead"), cell("EUR")],
                [cell("Graz"), cell("Ada"), cell("5")],
            ],
            ["Staff Site: Graz; Staff Lead: Ada; Cost EUR: 5"],
            id="a head over two columns stands before each name",
        ),
        pytest.param(
            [
                [cell("Name"), cell("Contact", 'gridSpan="2"'), cell("", 'hMerge="1"')],
                [cell("Ada"), cell("a@b.c"), cell("71")],
                [cell("Bo"), cell("b@b.c"), cell("72")],
            ],
            ["Name: Ada; Contact: a@b.c; Contact: 71", "Name: Bo; Contact: b@b.c; Contact: 72"],
            id="a row of data is no head",
        ),
    ],
)
def test_merged_cells_of_a_table_are_read(rows: Sequence[Sequence[str]], expected: list[str]) -> None:
    assert read(*rows) == expected


def test_a_table_without_merged_cells_is_left_as_it_is() -> None:
    assert with_marked_tables(pptx()).data == pptx()


def test_a_merged_cell_that_would_be_repeated_very_often_is_left_as_it_is() -> None:
    rows = [HEADS, [cell("x" * 2_000, 'rowSpan="1000"'), *GRAZ[1:]], [cell("", 'vMerge="1"'), *LINZ[1:]]]
    data = pptx("".join(f'<a:tr h="1">{"".join(row)}</a:tr>' for row in rows))

    assert with_marked_tables(data).data == data
