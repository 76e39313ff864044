"""A document's title is one that a person gave, in the file or as the file's name."""

import pytest

from rag.parsing import structure
from rag.text.titles import title_of_file_name, usable_title


@pytest.mark.parametrize(
    "title",
    [
        "0000320193-23-000077",
        "aapl-20230701",
        "d464719d10q",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
        "d41d8cd98f00b204e9800998ecf8427e",
        "12345",
        "doi:10.1000/182",
        "Microsoft Word - Minutes final.docx",
        "Microsoft PowerPoint – Review",
        "Microsoft Office Excel - Mappe1",
        "untitled",
        "Untitled-1",
        "Document1",
        "Document (1)",
        "Unbenanntes Dokument",
        "Sin título",
        "無題",
        "PowerPoint Presentation",
        "PowerPoint-Präsentation",
        "Slide 1",
        "Book1",
        "Tabelle1",
        "scan0001",
        "C:\\Users\\me\\a report.doc",
        "\\\\filer\\share\\a",
        "/srv/files/report",
        "file:///tmp/x",
        "docs\\report",
        "https://example.com/a",
        "annual report.docx",
        "report.pdf",
        "index.html",
        "~$report",
        "---",
        "",
        " \n",
    ],
)
def test_what_a_program_left_is_no_title(title: str) -> None:
    assert usable_title(title) is None


@pytest.mark.parametrize(
    "title",
    [
        "1984",
        "24/7",
        "10-K",
        "RFC 9110",
        "ISO27001",
        "COVID-19",
        "Catch-22",
        "Node.js",
        "TCP/IP",
        "C++",
        "Annual report 2023",
        "The 20230701 release",
        "Documentation",
        "Document retention policy",
        "Book of names",
        "Sheet metal work",
        "How to open a .docx",
        "~50 ways to sail",
        "Пресс-релиз",
        "令和5年度報告書20230401",
        "Scan of the moon",
    ],
)
def test_what_a_person_gave_is_kept(title: str) -> None:
    assert usable_title(title) == title


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("2023 Q2 AAPL.pdf", "2023 Q2 AAPL"),
        ("guides/Falcon press.txt", "Falcon press"),
        ("guides\\Falcon press.txt", "Falcon press"),
        ("Version 2.5 notes", "Version 2.5 notes"),
        ("Makefile", "Makefile"),
        (".env", ".env"),
        ("a\x1b[31m\nb.md", "a [31m b"),
        ("https://example.com/", "https://example.com/"),
        ("x" * 400 + ".txt", "x" * 300),
        ("\u202e", None),
        ("", None),
    ],
)
def test_a_files_name_is_a_title_without_its_ending(name: str, title: str | None) -> None:
    assert title_of_file_name(name) == title


def test_the_first_heading_is_the_title_where_a_program_left_another() -> None:
    assert structure.from_markdown("# Minutes\n\ntext", "Microsoft Word - m.docx").title == "Minutes"


def test_names_that_a_program_gave_parts_are_no_title() -> None:
    assert structure.from_markdown("## Sheet1\n\na\n\n## Prices\n\nb").title == "Prices"
    assert structure.from_markdown("## Sheet1\n\na\n\n## Slide 2\n\nb").title is None
