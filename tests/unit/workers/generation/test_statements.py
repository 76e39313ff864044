"""What a passage states: labels are no statements, and each statement knows its own."""

import pytest

from workers.generation.statements import Form, statements


def stated(text: str) -> list[tuple[str | None, str]]:
    """The label and the text of each statement."""
    return [(s.label.text if s.label else None, text[s.start : s.end]) for s in statements(text)]


@pytest.mark.parametrize(
    "question",
    [
        "**Who signs leave requests?**\n\n",
        "### Who signs leave requests?\n\n",
        "Who signs leave requests?\n\n",
        "1. **Who signs leave requests?**\n   ",
        "7. Who signs leave requests?\n\n   ",
        "Q: Who signs leave requests?\nA: ",
        "**Q: Who signs leave requests?**\n",
    ],
)
def test_a_question_is_the_label_of_its_answer(question: str) -> None:
    ((label, said),) = stated(f"{question}The shift lead signs them.")

    assert label is not None
    assert "Who signs leave requests?" in label
    assert said.endswith("The shift lead signs them.")


def test_a_term_is_the_label_of_the_next_paragraph_alone() -> None:
    text = "Core time\n\n9:30 to 15:00\n\nFlex account limit\n\nplus or minus 40 hours"

    assert stated(text) == [
        ("Core time", "9:30 to 15:00"),
        ("Flex account limit", "plus or minus 40 hours"),
    ]


def test_a_signature_is_the_term_of_the_sentence_below() -> None:
    text = "str.center(*width*[, *fillchar*])¶\n\nReturn centered in a string.\n\nThe original stays."

    assert stated(text)[0] == ("str.center(width[, fillchar])", "Return centered in a string.")
    assert stated(text)[1][0] is None


def test_a_question_within_a_paragraph_is_answered_by_what_follows() -> None:
    (statement,) = statements("Why is it closed? Because the roof leaks.")

    assert statement.label is not None
    assert statement.label.form is Form.QUESTION


def test_headings_are_known_by_their_levels() -> None:
    text = "# Meter\n\n## Reset\n\nPress OK.\n\n## Warranty\n\nIt is two years."

    assert [each.headings for each in statements(text)] == [("Meter", "Reset"), ("Meter", "Warranty")]


def test_the_subject_of_a_mail_is_like_a_heading() -> None:
    (statement,) = statements("Subject: Re: Relocation\n\nWe move on 17 October.")

    assert statement.headings == ("Re: Relocation",)


def test_a_list_is_one_statement_with_the_line_that_announces_it() -> None:
    text = "Ingredients:\n- flour\n- salt\n\nMix them."

    assert [text[s.start : s.end] for s in statements(text)] == ["Ingredients:\n- flour\n- salt", "Mix them."]


def test_lists_under_two_headings_are_two_statements() -> None:
    text = "## Before\n\n- tea\n\n## After\n\n- cake"

    assert [text[s.start : s.end] for s in statements(text)] == ["- tea", "- cake"]


def test_lines_of_a_field_each_are_one_record() -> None:
    text = "host: node-7\nevent: link down\n\nhost: node-8\nevent: rebooted"

    assert [text[s.start : s.end] for s in statements(text)] == text.split("\n\n")


def test_a_row_that_begins_with_a_question_is_no_label() -> None:
    text = "question: Who pays?; answer: The firm.\n\nquestion: Who signs?; answer: The lead."

    assert [said for _, said in stated(text)] == text.split("\n\n")


def test_the_last_line_is_a_statement_though_it_looks_like_a_term() -> None:
    assert stated("Opening hours") == [(None, "Opening hours")]


@pytest.mark.parametrize("text", ["", "\n\n", "---", "```\n```"])
def test_a_text_without_words_states_nothing(text: str) -> None:
    assert statements(text) == []
