import pytest

from rag.text.sentences import Kind, readable, sentences


def quotes(text: str) -> list[str]:
    return [text[s.start : s.end] for s in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith paid $3.5 million, i.e. a lot. He left.", None),
        ("J. R. R. Tolkien wrote it. It sold.", ["J. R. R. Tolkien wrote it.", "It sold."]),
        ("The U.S. Senate met at 9 a.m. in Washington.", ["The U.S. Senate met at 9 a.m. in Washington."]),
        ("Use v0.9.2 of rag.settings now. Then stop.", ["Use v0.9.2 of rag.settings now.", "Then stop."]),
        ("东京是首都。它很大。", ["东京是首都。", "它很大。"]),
        ("A line\nwrapped by hand. Next.", ["A line\nwrapped by hand.", "Next."]),
        ("**Bold claim.** More 😀 text.", ["**Bold claim.**", "More 😀 text."]),
        ("", []),
        (" \n\n --- \n* \n", []),
    ],
)
def test_running_text_is_cut_at_its_stops(text: str, expected: list[str] | None) -> None:
    if expected is None:
        expected = ["Dr. Smith paid $3.5 million, i.e. a lot.", "He left."]

    assert quotes(text) == expected


@pytest.mark.parametrize(
    "row",
    [
        "id: 1; question: How do I reset it? Ask first!; answer: Press 7. Then wait.",
        "Graz; 2022: 4.5 approx. Good.; 2023: Fine. Very.",
    ],
)
def test_a_row_in_words_is_one_piece(row: str) -> None:
    assert quotes(f"Before. After.\n\n{row}\n\nEnd.") == ["Before.", "After.", row, "End."]


def test_prose_with_a_semicolon_is_cut_at_its_stops() -> None:
    assert quotes("He came late; then: nothing. She left.") == ["He came late; then: nothing.", "She left."]


@pytest.mark.parametrize(
    "expected",
    [
        [
            "Am 1. Mai 2024 trat Hr. Dr. Meier, d. h. der Leiter, in Bonn auf.",
            *("Die Frist endet am 3. Oktober.", "Die 2. Auflage gilt.", "Er ist 12.", "Siehe Abs. 3 Nr. 4."),
        ],
        [
            "El Sr. García vive en la Av. Central núm. 5.",
            *("La Sra. López llegó el 1.º de mayo.", "EE. UU. firmó el acuerdo.", "Véase pág. 3."),
        ],
        [
            "O Sr. Silva mora na Av. Paulista, n.º 5.",
            "A Dra. Souza chegou às dez.",
            "V. Exa. decide pela obra do porto.",
        ],
        ["Иванов И. И. родился в 1950 г. в Москве.", "Затем он ушёл.", "См. рис. 3 на стр. 5."],
        ["M. Dupont habite av. Foch.", "Mme Martin est arrivée le 1er mai.", "Voir p. 3."],
        ["Il sig. Rossi abita in v. Roma n. 5.", "Il dott. Bianchi arriva."],
        ["He met Mr. Meier on May 1.", "The fee is 5."],
    ],
)
def test_abbreviations_and_ordinals_are_those_of_the_language(expected: list[str]) -> None:
    assert quotes(" ".join(expected)) == expected


_FULL = "Only the proxy is reached from elsewhere; the console (5555) and the board (3000)"


@pytest.mark.parametrize("mark", ["", "- "])
def test_a_sentence_goes_on_in_the_next_line_though_a_colon_follows_there(mark: str) -> None:
    text = f"{mark}{_FULL}\nlisten on 127.0.0.1 alone: reach them by a tunnel. Ask first."

    assert quotes(text) == [
        f"{mark}{_FULL}\nlisten on 127.0.0.1 alone: reach them by a tunnel.",
        "Ask first.",
    ]


@pytest.mark.parametrize(
    "before",
    ["Settings of the server", f"{_FULL}.", f"comment: {_FULL}", f"- comment: {_FULL}"],
)
def test_a_field_below_a_short_line_a_sentence_or_a_field_is_a_piece(before: str) -> None:
    assert quotes(f"{before}\nport: 80\nhost: a") == [before, "port: 80", "host: a"]


def test_markdown_blocks_are_pieces_of_their_own() -> None:
    text = (
        "# Title\n\nIntro text\ngoes on.\n\n- first. Still first.\n- [x] second\n1. third\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n> quoted\n> text.\n\nName: Ada\nPort: 8910\n"
        "```py\nx = 1.\n\ny.z()\n```\nEnd"
    )

    found = [(s.kind, text[s.start : s.end]) for s in sentences(text)]

    assert found == [
        (Kind.HEADING, "# Title"),
        (Kind.PROSE, "Intro text\ngoes on."),
        (Kind.ITEM, "- first."),
        (Kind.ITEM, "Still first."),
        (Kind.ITEM, "- [x] second"),
        (Kind.ITEM, "1. third"),
        (Kind.HEADING, "| a | b |"),
        (Kind.ROW, "| 1 | 2 |"),
        (Kind.PROSE, "> quoted\n> text."),
        (Kind.PROSE, "Name: Ada"),
        (Kind.PROSE, "Port: 8910"),
        (Kind.CODE, "```py\nx = 1.\n\ny.z()\n```"),
        (Kind.PROSE, "End"),
    ]


def test_an_unclosed_fence_runs_to_the_end() -> None:
    assert quotes("Run:\n~~~\na. b\nc") == ["Run:", "~~~\na. b\nc"]


@pytest.mark.parametrize(
    "text", ["a.\r\nb.\r\n", "\n\nx. y.\n\n\n- z", "Hi\u2028there. \ud83d ok.", "a" * 9999]
)
def test_pieces_are_ordered_trimmed_and_apart(text: str) -> None:
    end = 0
    for sentence in sentences(text):
        assert end <= sentence.start < sentence.end <= len(text)
        assert text[sentence.start : sentence.end].strip() == text[sentence.start : sentence.end]
        end = sentence.end
    assert end > 0


@pytest.mark.parametrize(
    ("quote", "kind", "expected"),
    [
        ("- **Bold** and *soft*\n  wrapped", Kind.ITEM, "Bold and soft wrapped"),
        ('12. see [the docs](https://x.y/z "t") now', Kind.ITEM, "see the docs now"),
        ("- [ ] open task", Kind.ITEM, "open task"),
        ("## A heading", Kind.HEADING, "A heading"),
        ("| `a\\|b` | **2** |", Kind.ROW, "`a|b` – 2"),
        ("> quoted\n> text", Kind.PROSE, "quoted text"),
        ("snake_case_name and 2*3*4 stay", Kind.PROSE, "snake_case_name and 2*3*4 stay"),
        ("H<sub>2</sub>O<br>is\\_water", Kind.PROSE, "H 2 O is_water"),
        ("```py\n    if x:\n        y\n```", Kind.CODE, "if x:\n    y"),
        ("1990 was long ago.", Kind.PROSE, "1990 was long ago."),
    ],
)
def test_readable_takes_marks_out(quote: str, kind: Kind, expected: str) -> None:
    assert readable(quote, kind) == expected
