import numpy as np
import pytest

from rag.model import Answer, Candidate, Embedding, Hit, Passage, Reason, Refusal
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
        "What happened?",
        "Ada built a mill.",
        "Rain fell on Sunday.",
        "Cats purr loudly.",
        "It is cold today.",
    )

    assert len(answer.citations) == 3


def test_up_to_six_things_that_answer_alike() -> None:
    answer = ask("Which host has port 22?", *(f"Host node-{n} has port 22 and a {n}." for n in range(8)))

    assert len(answer.citations) == 6


def document(
    title: str, text: str, relevance: float = 0.9, index: int = 0, headings: tuple[str, ...] = ()
) -> Hit:
    passage = Passage(f"c{title}{index}", f"d{title}", 1, index, text, title, 0, len(text), None, headings)
    return Hit(passage, relevance)


def ask_of(question: str, *hits: Hit) -> str:
    request = GenerationRequest(
        question, QUERY, tuple(Candidate(hit) for hit in hits), lambda piece: None, lambda: False
    )
    return ExtractiveGenerator(min_relevance=0.45).answer(request).text


FAQ = """\
# FAQ

**Who signs leave requests?**

The shift lead, Fenja Brodersen, signs them.

Core time

9:30 to 15:00

Flex account limit

plus or minus 40 hours"""


@pytest.mark.parametrize(
    ("question", "expected_text"),
    [
        ("Who signs leave requests?", "The shift lead, Fenja Brodersen, signs them. [1]"),
        ("What is the core time?", "Core time: 9:30 to 15:00 [1]"),
    ],
)
def test_a_question_is_not_answered_by_itself(question: str, expected_text: str) -> None:
    assert ask(question, FAQ).text == expected_text


def test_a_row_answers_with_the_cells_that_are_asked_for() -> None:
    rows = "Name: Tuva Lund; Room: 2.1; Badge: B7\n\nName: Tuva Boll; Room: 3.4; Badge: B9"

    assert ask("What is the badge number of Tuva Lund?", rows).text == "Name: Tuva Lund; Badge: B7 [1]"
    assert not ask("What is the badge number of Ada Lund?", rows).found


def test_a_row_with_a_question_answers_with_its_other_half() -> None:
    rows = "question: How do I block my card?; answer: Call 555.; updated: 2024-02-01"

    assert ask("How do I block my card?", rows).text == "Call 555. [1]"


def test_a_procedure_is_given_whole() -> None:
    steps = "1. Press MODE.\n2. Turn the dial.\n3. Press OK."
    text = f"# Meter\n\n## How to reset the meter\n\n{steps}\n\n## Warranty\n\nTwo years."

    assert ask("How do I reset the meter?", text).text == f"{steps} [1]"


def test_an_item_alone_answers_what_it_alone_has() -> None:
    text = "## Who to ask\n\n- Laptops: Ravi Menon\n- Pay: Gudrun Aas\n- Parking: Leila Haddad"

    assert ask("Who to ask about parking?", text).text == "Parking: Leila Haddad [1]"


def test_a_list_goes_on_in_the_next_passage() -> None:
    steps = [
        f"{n}. Turn screw {'abcdefghi'[n - 1]} until it is tight and mark it with red paint.\n"
        for n in range(1, 10)
    ]
    first = document("M", "## Close the cover\n\n" + "".join(steps[:7]).strip(), 0.9, 0)
    rest = document("M", "".join(steps[7:]).strip(), 0.3, 1, ("Close the cover",))

    together, alone = (
        ask_of("How do I close the cover?", first, rest),
        ask_of("How do I close the cover?", first),
    )

    assert "7. Turn screw g" in together
    assert together.endswith("9. Turn screw i until it is tight and mark it with red paint. [2]")
    assert alone.endswith("7. Turn screw g until it is tight and mark it with red paint.\n… [1]")


def test_a_pronoun_comes_with_its_noun() -> None:
    text = "The retention job deletes old logs. It runs at midnight on the archive host."

    assert ask("When does the job run, at midnight?", text).text.startswith(
        "The retention job deletes old logs. It"
    )
    assert (
        ask_of(
            "When does it run, at midnight?",
            document("Manual", "It runs at midnight.", headings=("Retention",)),
        )
        == "Retention: It runs at midnight. [1]"
    )


def test_only_the_model_that_is_asked_for_is_quoted() -> None:
    hits = [
        document("Aquila AQ-200", "# Aquila AQ-200\n\nIt must not be used outdoors."),
        document("Aquila AQ-300", "# Aquila AQ-300\n\nIt may be used outdoors.", 0.95),
    ]

    assert (
        ask_of("May the AQ-200 be used outdoors?", *hits)
        == "Aquila AQ-200: It must not be used outdoors. [1]"
    )


def test_sources_that_differ_are_named_the_newest_first() -> None:
    hits = [
        document("Expenses 2023", "Meals are refunded up to 30 francs a day."),
        document("Expenses 2025", "Meals are refunded up to 42 francs a day.", 0.88),
    ]

    assert ask_of("How much are meals a day?", *hits) == (
        "Expenses 2025: Meals are refunded up to 42 francs a day. [1] "
        "Expenses 2023: Meals are refunded up to 30 francs a day. [2]"
    )
    assert (
        ask_of("How much were meals a day in 2023?", *hits) == "Meals are refunded up to 30 francs a day. [1]"
    )


def test_a_comparison_quotes_each_side() -> None:
    hits = [
        document("Basic plan", "The basic plan costs 10 francs."),
        document("Gold plan", "The gold plan has 24 hours of support and costs 99 francs.", 0.6),
    ]

    answer = ask_of("What is the difference between the basic plan and the gold plan?", *hits)

    assert "costs 10 francs. [1]" in answer
    assert "costs 99 francs. [2]" in answer


def test_a_side_remark_comes_last() -> None:
    text = "See also the section on backup retention times. Backups are kept for nine weeks."

    assert ask("How long is the retention of backups?", text).text == "Backups are kept for nine weeks. [1]"


def test_a_document_that_lacks_the_code_does_not_answer() -> None:
    text = "Version 2.10.1 fixes defect 439.\n\nVersion 2.11.1 fixes defect 456."

    assert not ask("Which defect does version 1.10.2 fix?", text).found


@pytest.mark.parametrize(
    ("question", "text", "refusal"),
    [
        (
            "Which defect does version 1.10.2 fix?",
            "Version 2.10.1 fixes defect 439.",
            Refusal(Reason.DIFFERS_IN, ("1.10.2",)),
        ),
        (
            "Who placed order 88102?",
            "Order: 88103; Technician: Idun Vik",
            Refusal(Reason.DIFFERS_IN, ("order 88102",)),
        ),
        (
            "Where is the room of Tuva Lund?",
            "Name: Tuva Boll; Room: 3",
            Refusal(Reason.DIFFERS_IN, ("Tuva Lund",)),
        ),
        ("What is the plan?", "# The plan", Refusal(Reason.NOT_STATED)),
    ],
)
def test_passages_that_do_not_answer_are_refused_with_the_reason(
    question: str, text: str, refusal: Refusal
) -> None:
    assert ask(question, text).refusal == refusal


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


def test_a_heading_is_never_quoted() -> None:
    assert ask("What is the plan?", "# The plan\n\nWe rest.").text == "We rest. [1]"
    assert not ask("What is the plan?", "# The plan").found


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
