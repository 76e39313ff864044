import numpy as np
import pytest

from rag.model import Answer, Candidate, Embedding, Hit, Passage
from rag.ports import GenerationRequest
from workers.generation.expectation import Expectation, expected, holds
from workers.generation.extractive import ExtractiveGenerator
from workers.generation.words import content_words

QUERY = Embedding(np.zeros(4, np.float32))


def ask(question: str, *texts: str, relevance: float = 0.8) -> Answer:
    passages = tuple(
        Candidate(Hit(Passage(f"c{i}", f"d{i}", 1, 0, text, "Title", 50, 50 + len(text)), relevance))
        for i, text in enumerate(texts)
    )
    request = GenerationRequest(question, QUERY, passages, lambda piece: None, lambda: False)
    return ExtractiveGenerator(min_relevance=0.45).answer(request)


def test_one_sentence_when_it_clearly_answers() -> None:
    answer = ask(
        "When was the Eiffel Tower completed?",
        "Paris is large. The Eiffel Tower was completed in 1889. Many people visit it each year.",
    )

    assert answer.text == "The Eiffel Tower was completed in 1889. [1]"
    assert (answer.citations[0].start, answer.citations[0].end) == (66, 105)


def test_a_second_sentence_when_the_first_may_not_answer() -> None:
    answer = ask(
        "When did the firm move?", "The firm moved in 1990. The firm moved back in 1995. Cats sleep."
    )

    assert [c.text for c in answer.citations] == ["The firm moved in 1990.", "The firm moved back in 1995."]
    assert answer.text == "The firm moved in 1990. [1] The firm moved back in 1995. [2]"


def test_what_two_passages_say_alike_is_given_once() -> None:
    same = "The river Elbe is 1,094 km long."

    answer = ask("How long is the river Elbe?", f"{same} Ships sail it.", f"Rivers flow. {same}")

    assert answer.text == f"{same} [1]"


def test_at_most_three_sentences() -> None:
    answer = ask(
        "What is there?", *(f"Thing number {name} is there." for name in ("one", "two", "six", "ten"))
    )

    assert len(answer.citations) == 3


def test_markdown_reads_as_text_and_is_cited_as_written() -> None:
    answer = ask(
        "How long are backups kept?", "# Backups\n\n- Backups are **kept** for `30` days.\n- Other item."
    )

    assert answer.text == "Backups are kept for `30` days. [1]"
    assert answer.citations[0].text == "- Backups are **kept** for `30` days."


def test_a_colon_brings_what_it_announces() -> None:
    answer = ask("How do I install the tool?", "Cats.\n\nInstall the tool:\n\n```sh\nmake tool\n```\n\nDone.")

    assert answer.text == "Install the tool:\n```\nmake tool\n``` [1]"
    assert answer.citations[0].text == "Install the tool:\n\n```sh\nmake tool\n```"


def test_a_list_is_quoted_with_its_introduction() -> None:
    answer = ask(
        "Which formats are supported?", "Supported formats are:\n\n- pdf\n- docx\n\nOther things exist."
    )

    assert answer.text == "Supported formats are:\n- pdf\n- docx [1]"


@pytest.mark.parametrize(
    ("text", "expected_text"),
    [
        ("Watt improved steam engines.[3]", "Watt improved steam engines. [1]"),
        ("Watt[12] improved steam engines [4].", "Watt improved steam engines. [1]"),
        ("Steam engines are `engines[0]` here.", "Steam engines are `engines[ 0 ]` here. [1]"),
        ("```\nsteam = engines[0]\n```", "```\nsteam = engines[ 0 ]\n``` [1]"),
    ],
)
def test_a_document_s_own_marks_never_pass_for_citations(text: str, expected_text: str) -> None:
    assert ask("Who improved steam engines?", text).text == expected_text


@pytest.mark.parametrize("text", ["", " \n", "---"])
def test_passages_without_words_answer_nothing(text: str) -> None:
    assert not ask("What?", text).found


def test_a_heading_is_quoted_only_when_there_is_nothing_else() -> None:
    assert ask("What is the plan?", "# The plan\n\nWe rest.").text == "We rest. [1]"
    assert ask("What is the plan?", "# The plan").text == "The plan [1]"


def test_vectors_find_what_words_do_not() -> None:
    text = "Cats purr. Felines doze."
    passage = Passage("c", "d", 1, 0, text, "", 0, len(text))
    tokens = np.eye(4, dtype=np.float16)
    query = Embedding(np.zeros(4, np.float32), tokens[3:], np.ones(1, np.float32))
    candidate = Candidate(Hit(passage, 0.9), tokens=tokens)
    request = GenerationRequest("Sleeping?", query, (candidate,), lambda piece: None, lambda: False)

    generator = ExtractiveGenerator(lambda _: [(0, 4), (5, 9), (11, 18), (19, 23)], min_relevance=0.45)
    answer = generator.answer(request)

    assert answer.text == "Felines doze. [1]"


def test_vectors_that_do_not_fit_the_text_are_left_aside() -> None:
    text = "The answer is 42."
    candidate = Candidate(
        Hit(Passage("c", "d", 1, 0, text, "", 0, len(text)), 0.9), tokens=np.ones((9, 4), np.float16)
    )
    query = Embedding(np.zeros(4, np.float32), np.ones((1, 4), np.float16))
    request = GenerationRequest("What is the answer?", query, (candidate,), lambda _: None, lambda: False)

    generator = ExtractiveGenerator(lambda _: [(0, 3)], min_relevance=0.45)
    assert generator.answer(request).text == "The answer is 42. [1]"


@pytest.mark.parametrize(
    ("question", "expectation", "sentence", "whether"),
    [
        ("How many people?", Expectation.NUMBER, "There were forty people.", True),
        ("How many people?", Expectation.NUMBER, "There were people.", False),
        ("In what year was it?", Expectation.DATE, "It was in 1889.", True),
        ("When was it?", Expectation.DATE, "It was in a hall.", False),
        ("Who built the Tower?", Expectation.NAME, "It was Eiffel.", True),
        ("Who built the Tower?", Expectation.NAME, "The Tower was built.", False),
        ("Why did it rain?", Expectation.REASON, "It rained because of clouds.", True),
        ("Why did it rain?", Expectation.REASON, "It rained.", False),
        ("What is this?", Expectation.ANYTHING, "It is 5 in Paris because.", False),
    ],
)
def test_the_kind_of_answer_asked_for(
    question: str, expectation: Expectation, sentence: str, whether: bool
) -> None:
    assert expected(question) is expectation
    assert holds(sentence, expectation, content_words(question)) is whether


def test_content_words_are_stems_without_empty_words() -> None:
    assert content_words("What are the Engines of 北京?") == {"engin", "北", "京"}
