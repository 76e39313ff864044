"""Passages: exact offsets, never too long, cut where the author cut."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import EmptyDocument
from rag.model import Chunk, Page, ParsedDocument
from rag.parsing.structure import from_markdown, from_pages
from rag.text.chunking import TokenChunker

WORDS = ("tide", "harbour", "barometer", "mooring", "vessel", "dusk", "bell", "pier", "basin", "keeper")


def chunk(document: ParsedDocument, count: Callable[[str], int], max_tokens: int) -> list[Chunk]:
    return TokenChunker(count, max_tokens).chunk(document)


def words(text: str) -> int:
    return len(text.split())


def characters(text: str) -> int:
    """A count that is not the sum of the words' counts."""
    return len(text)


def prose(number: int, seed: int = 0) -> str:
    """``number`` words in sentences of ten."""
    source = random.Random(seed)
    sentences = []
    for start in range(0, number, 10):
        sentence = " ".join(source.choices(WORDS, k=min(10, number - start)))
        sentences.append(f"{sentence.capitalize()}.")
    return " ".join(sentences)


def texts(chunks: list[Chunk]) -> list[str]:
    return [one.text for one in chunks]


def solid(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(
    "markdown",
    [
        prose(500),
        "\n\n".join(prose(n, n) for n in (3, 50, 7, 90, 120, 2, 2, 2, 300)),
        f"# A\n\n{prose(30)}\n\n## B\n\n### C\n\n{prose(200)}\n\n## D\n\n{prose(5)}\n\n# E",
        "| a | b |\n|---|---|\n" + "\n".join(f"| {prose(9, n)} | {n} |" for n in range(60)),
        "```\n" + "\n\n".join(f"def f{n}():\n    return {n}" for n in range(80)) + "\n```\n\nafter it",
        "- " + "\n- ".join(prose(30, n) for n in range(12)),
        "東京は日本の首都である。" * 300,
        "x" * 5000,
        "Title\n=====\n\ntext\n\nOther\n---\ntext under it",
        "```\nnever closed\n\n" + prose(150),
        "\n\n".join("short" for _ in range(400)),
        "👩‍🚒 Größe naïve café " * 100,
    ],
    ids=range(12),
)
@pytest.mark.parametrize("count", [words, characters], ids=["words", "characters"])
@pytest.mark.parametrize("limit", [8, 40, 200])
def test_every_passage_is_exact_and_fits_and_nothing_is_lost(markdown, count, limit):
    document = from_markdown(markdown)

    chunks = chunk(document, count, limit)

    assert all(document.text[one.start : one.end] == one.text for one in chunks)
    assert all(count(one.text) <= limit for one in chunks)
    assert [one.index for one in chunks] == list(range(len(chunks)))
    assert all(before.end <= after.start for before, after in pairwise(chunks))
    assert solid("".join(texts(chunks))) == solid(document.text)
    assert all(one.text.strip() and one.text == one.text.rstrip() for one in chunks)


def test_tokens_are_those_of_the_text():
    for one in chunk(from_markdown(f"# Harbour\n\n{prose(300)}"), words, 60):
        assert one.tokens == words(one.text)


def test_a_paragraph_that_fits_stays_whole():
    document = from_markdown("\n\n".join(prose(110, n) for n in range(4)))
    assert texts(chunk(document, words, 150)) == document.text.split("\n\n")


def test_a_heading_goes_with_what_follows_it():
    document = from_markdown(f"{prose(140)}\n\n# Storms\n\n## Signals\n\n{prose(140, 1)}")
    first, second = chunk(document, words, 150)
    assert "Storms" not in first.text
    assert second.text.startswith("# Storms\n\n## Signals\n\nVessel") or second.text.startswith("# Storms")
    assert second.headings == ("Storms", "Signals")


def test_a_heading_stays_even_when_its_paragraph_has_to_be_cut():
    document = from_markdown(f"# Storms\n\n{prose(150)}")
    chunks = chunk(document, words, 151)
    assert len(chunks) == 2
    assert all(one.tokens > 50 for one in chunks)


def test_the_heading_path_is_that_of_the_passage():
    document = from_markdown(
        f"# A\n\n{prose(60)}\n\n## B\n\n{prose(60, 1)}\n\n### C\n\n{prose(60, 2)}\n\n## D\n\n{prose(60, 3)}"
    )
    paths = [one.headings for one in chunk(document, words, 80)]
    assert paths == [("A",), ("A", "B"), ("A", "B", "C"), ("A", "D")]


def test_tiny_sections_are_joined_under_what_they_share():
    entries = "\n\n".join(f"## Term {n}\n\nIt means {n}." for n in range(6))
    chunks = chunk(from_markdown(f"# Glossary\n\n{entries}"), words, 60)
    assert len(chunks) < 6
    assert chunks[0].headings == ("Glossary",)


def test_short_neighbours_are_joined_and_large_ones_are_not():
    document = from_markdown("\n\n".join([prose(10), prose(10, 1), prose(90, 2), prose(90, 3)]))
    assert [one.tokens for one in chunk(document, words, 120)] == [110, 90]


def test_a_long_paragraph_is_cut_between_sentences_into_even_parts():
    chunks = chunk(from_markdown(prose(210)), words, 200)
    assert all(one.text.endswith(".") for one in chunks)
    assert [one.tokens for one in chunks] in ([100, 110], [110, 100])


def test_a_long_table_is_cut_between_rows_and_each_passage_has_names_and_caption():
    rows = [f"| {prose(9, n)} | {n} |" for n in range(30)]
    table = "\n".join(("| text | number |", "|---|---|", *rows))
    document = from_markdown(f"# Plan\n\nAmounts in tons\n\n{table}\n\nThe end.", names_stated=True)

    chunks = chunk(document, words, 60)

    lines = [line for one in chunks for line in one.text.split("\n\n")]
    said = [f"text: {prose(9, n)}; number: {n}" for n in range(30)]
    assert lines == ["# Plan", "Amounts in tons", *said, "The end."]
    assert len(chunks) > 4
    assert {one.headings for one in chunks[1:]} == {("Plan", "Amounts in tons")}
    assert chunks[0].headings == ("Plan",)


def test_a_row_too_long_for_a_passage_is_cut_between_cells_and_its_first_cell_leads_to_each_part():
    names = [f"Answer {n}" for n in range(12)]
    row = ["Ada", *(prose(9, n) for n in range(11))]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (["Name", *names[:11]], ["---"] * 12, row))
    document = from_markdown(table, names_stated=True)

    first, *parts = chunk(document, words, 40)

    assert first.text.startswith("Name: Ada; Answer 0: ")
    assert len(parts) > 1
    for part in parts:
        assert document.text[part.start : part.end] == part.text
        assert part.text.startswith("Answer ")
        assert part.headings[-1] == "Name: Ada"


def test_a_part_that_begins_within_a_cell_has_the_name_of_the_cell():
    document = from_markdown(f"| Name | Story |\n|---|---|\n| Ada | {prose(90)} |", names_stated=True)

    *_, last = chunk(document, words, 40)

    assert last.headings == ("Name: Ada", "Story")


def test_a_long_list_is_cut_between_items():
    items = [f"- {prose(20, n)}" for n in range(10)]
    for one in chunk(from_markdown("\n".join(items)), words, 70):
        assert one.text.startswith("- ")
        assert one.text.endswith(".")


def test_blank_lines_inside_code_do_not_cut_it():
    code = "```\nfirst = 1\n\n# not a heading\n\nsecond = 2\n```"
    document = from_markdown(f"{prose(60)}\n\n{code}\n\n{prose(60, 1)}")
    assert sum(code in one.text for one in chunk(document, words, 70)) == 1


def test_pages_are_those_where_passages_begin():
    document = from_pages([(3, prose(60)), (4, ""), (5, prose(60, 1)), (6, prose(130, 2))])
    assert [one.page for one in chunk(document, words, 80)] == [3, 5, 6, 6]


def test_a_page_of_its_own_is_not_joined_to_the_next():
    document = from_pages([(1, prose(30)), (2, prose(30, 1))])
    assert [one.page for one in chunk(document, words, 100)] == [1, 2]


def test_a_text_without_pages_has_none():
    assert chunk(ParsedDocument("words"), words, 10)[0].page is None


def test_a_page_that_begins_with_white_space_counts():
    text = "one two\n\nthree four"
    document = ParsedDocument(text, pages=(Page(1, 0, 8), Page(2, 8, len(text))))
    assert chunk(document, lambda t: 5 * words(t), 12)[1].page == 2


@pytest.mark.parametrize("text", ["", " \n\n \t"])
def test_a_text_of_white_space_is_an_empty_document(text):
    with pytest.raises(EmptyDocument):
        chunk(ParsedDocument(text), words, 100)


def test_an_endless_word_never_fills_one_passage():
    chunks = chunk(ParsedDocument("x" * 10_000), words, 50)
    assert max(len(one.text) for one in chunks) <= 50 * 8


def test_the_name_tells_limits_apart():
    assert TokenChunker(words, 100).name != TokenChunker(words, 200).name


def test_a_tokenizer_is_as_good_as_a_function():
    class Spaces:
        def encode(self, sequence: str, *, add_special_tokens: bool) -> list[str]:
            assert not add_special_tokens
            return sequence.split()

    document = from_markdown(prose(300))
    assert TokenChunker(Spaces(), 70).chunk(document) == chunk(document, words, 70)


def test_a_limit_too_small_for_any_text_is_refused():
    with pytest.raises(ValueError, match="at least 8"):
        TokenChunker(words, 4)


HOSTILE = st.lists(
    st.sampled_from(
        (
            "word",
            "a. ",
            "# ",
            "\n",
            "\n\n",
            " " * 3000,
            "\t" * 900,
            " \n" * 40,
            "\u0301" * 90,
            "x" * 700,
            "| a | ",
        )
    ),
    max_size=30,
).map("".join)


@given(HOSTILE)
@settings(max_examples=150, deadline=None)
def test_white_space_and_marks_that_count_no_tokens_fill_no_passage(text):
    def count(piece: str) -> int:
        return sum(1 for word in piece.split() if not word.startswith("\u0301"))

    for document in (ParsedDocument(text), from_markdown(text)):
        chunks = chunk(document, count, 8) if document.text.strip() else []

        assert all(len(one.text) <= 8 * 64 for one in chunks)
        assert all(document.text[one.start : one.end] == one.text for one in chunks)
        assert all(before.end <= after.start for before, after in pairwise(chunks))
        assert solid("".join(texts(chunks))) == solid(document.text)


@pytest.mark.parametrize("gap", [" ", "\t", "\u00a0", "\n \t"])
def test_a_passage_with_white_space_is_no_longer_than_one_without(gap):
    chunks = chunk(
        ParsedDocument(f"# Tides{gap * 400_000}of the harbour{gap * 400_000}and its bell"), words, 200
    )

    assert max(len(one.text) for one in chunks) <= 200 * 64


def test_code_and_tables_with_much_padding_stay_whole():
    code = "```\n" + "\n".join(f"{' ' * 40}}} // {n}" for n in range(50)) + "\n```"
    assert texts(chunk(ParsedDocument(code), words, 200)) == [code]


def test_a_passage_stays_on_its_page():
    pages = [(n, f"# Slide {n}\n\n{prose(8, n)}") for n in range(1, 6)]

    chunks = chunk(from_pages(pages), words, 60)

    assert [one.page for one in chunks] == [1, 2, 3, 4, 5]


def test_only_a_sentence_that_runs_over_a_page_ends_its_passage_there():
    pages = [
        (1, f"{prose(9, 1)} It lifts"),
        (2, f"five tonnes. Then it rests. {prose(9, 2)}"),
        (3, "The end."),
    ]
    document = from_pages(pages, flowing=True)

    chunks = chunk(document, words, 60)

    assert [(one.page, one.text.split()[-2:]) for one in chunks[:1]] == [(1, ["five", "tonnes."])]
    assert [one.page for one in chunks] == [1, 2, 3]
    assert chunks[1].text.startswith("Then it rests.")


def test_a_heading_at_the_end_of_a_page_stays_on_it():
    chunks = chunk(from_pages([(1, "Words.\n\n## Below"), (2, "More words.")]), words, 60)

    assert [(one.page, one.text, one.headings) for one in chunks] == [
        (1, "Words.\n\n## Below", ()),
        (2, "More words.", ("Below",)),
    ]
