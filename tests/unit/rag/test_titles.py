"""Titles, headings and names of files show nothing but words, wherever they come from."""

import pytest

from rag import media
from rag.naming import plain_name
from rag.parsing.formats import parse

ESCAPE = "\x1b]0;owned\x07\x1b[2Jred\x9b31m"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("A usual title – 2024", "A usual title – 2024"),
        (ESCAPE, "]0;owned [2Jred 31m"),
        ("two\r\nlines\u2028three\tfour", "two lines three four"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("\u2066isolated\u2069 \u200bjunk\u2060\ufeff", "isolated junk"),
        ("نمی\u200cخواهم 👩\u200d🚒", "نمی\u200cخواهم 👩\u200d🚒"),
        ("\x00\x1b\x9b", ""),
    ],
)
def test_what_a_terminal_obeys_and_nobody_sees_is_left_out(name: str, expected: str) -> None:
    assert plain_name(name) == expected


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        (media.MARKDOWN, f"# {ESCAPE}\n\ntext"),
        (media.MARKDOWN, f"---\ntitle: '{ESCAPE}'\n---\n\ntext {ESCAPE}"),
        (media.HTML, f"<title>{ESCAPE}</title><h1>{ESCAPE}\u202e</h1><p>text</p>"),
        (media.EML, f"Subject: {ESCAPE}\nFrom: a@example.org\n\ntext"),
        (media.JSON, '{"title": "\\u001b[2J\\u009b31m\\u202e", "text": "text \\u009b"}'),
    ],
)
def test_no_document_brings_them_along(media_type: str, data: str) -> None:
    document = parse(data.encode(), media_type, 1 << 20)

    shown = [document.title or "", *(heading.text for heading in document.headings)]
    assert not any(char in name for name in shown for char in "\x1b\x9b\x07\u202e\n")
    assert not any(char in document.text for char in "\x1b\x9b\x07")
