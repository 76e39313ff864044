"""What the bundled reranker turns away, and what it answers although the words differ."""

from collections.abc import Sequence

import pytest

from rag.model import Candidate, Hit, Passage
from rag.ports import Reranker, RerankRequest
from rag.settings import Settings
from workers.embedding.bundled import BundledEmbedder
from workers.reranking import reranker_for, unrelated_below
from workers.setup import build_models

FACTS = (
    "The lift in the east wing is out of service until 14 March.",
    "Rubbish is collected on Tuesdays and Fridays before seven in the morning.",
    "Residents must not keep dogs heavier than fifteen kilograms.",
    "The laundry room on the ground floor opens at 6 am and closes at 10 pm.",
    "Smoke alarms are tested on the first Monday of each month.",
    "The caretaker, Mrs. Odile Brandt, can be reached on extension 417.",
    "A lost key is replaced for a fee of 35 euros.",
    "Bicycles belong in the racks behind the building, not in the stairwell.",
    "The roof terrace holds at most forty people.",
    "The monthly rent is due on the third working day.",
)
QUESTIONS_AND_ANSWERS = """Water works: questions and answers

Q: How hard is our water?
A: It has 22 French degrees, which counts as medium hard.

Q: Who pays for a burst pipe in my garden?
A: You do, from the property line on. The works pay up to it.

Q: How often is the meter read?
A: Once a year, in September, by radio.

Q: Is there lead in the pipes?
A: No. The last lead pipe was replaced in 1994."""
RUSSIAN = (
    "Лифт в восточном крыле не работает до 14 марта.",
    "Мусор вывозят по вторникам и пятницам до семи утра.",
    "Потерянный ключ заменяют за 350 рублей.",
)
CHINESE = ("东翼的电梯停用至3月14日。", "垃圾每周二和周五早上七点前收走。", "补办丢失的钥匙收费三十五元。")
MODELS = (
    "The AQ-100 pump delivers 40 litres per minute. It must not be used outdoors.",
    "The AQ-200 pump delivers 75 litres per minute. It may be used outdoors.",
)


@pytest.fixture(scope="module")
def embedder() -> BundledEmbedder:
    settings = Settings()
    build_models(settings, settings.model_dir, lambda _: None)
    return BundledEmbedder(settings.model_dir)


@pytest.fixture(scope="module")
def reranker(embedder: BundledEmbedder) -> Reranker:
    return reranker_for(Settings())


def rated(
    embedder: BundledEmbedder, reranker: Reranker, question: str, texts: Sequence[str]
) -> tuple[float, str]:
    """The best relevance, and the text that has it."""
    (query,), vectors = embedder.embed_queries([question]), embedder.embed_passages(texts)
    candidates = tuple(
        Candidate(Hit(Passage(f"c{n}", f"d{n}", 1, 0, text, "", 0, len(text)), 1.0), made.dense, made.tokens)
        for n, (text, made) in enumerate(zip(texts, vectors, strict=True))
    )
    (relevance,) = reranker.relevance([RerankRequest(question, query, candidates)])
    return max(zip(relevance, texts, strict=True))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("When will the elevator work again?", "14 March"),
        ("On which days is the garbage picked up?", "Tuesdays"),
        ("When can I wash my clothes?", "6 am"),
        ("How often are the fire detectors checked?", "first Monday"),
        ("Where do I put my bike?", "racks"),
        ("By when do tenants have to pay?", "third working day"),
        ("lost key", "35 euros"),
        ("Who is the carteaker?", "Odile Brandt"),
        (
            "Hello, I moved in last week and am getting used to everything here. Could you please be so "
            "kind as to tell me what I would have to pay if I happened to lose my key? Thank you in advance!",
            "35 euros",
        ),
    ],
)
def test_given_other_words_a_slip_or_courtesies_then_the_fact_is_found(
    embedder: BundledEmbedder, reranker: Reranker, question: str, words: str
) -> None:
    relevance, text = rated(embedder, reranker, question, FACTS)

    assert words in text
    assert relevance >= unrelated_below(Settings())


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Mongolia?",
        "How do I reset my e-mail password?",
        "Who wrote The Magic Mountain?",
        "How long does it take to boil an egg?",
        "How many strings does a violin have?",
    ],
)
@pytest.mark.parametrize("texts", [FACTS, FACTS[:1], (QUESTIONS_AND_ANSWERS,)])
def test_given_a_question_about_something_else_then_it_is_turned_away(
    embedder: BundledEmbedder, reranker: Reranker, question: str, texts: Sequence[str]
) -> None:
    assert rated(embedder, reranker, question, texts)[0] < unrelated_below(Settings())


@pytest.mark.parametrize(
    "question", ["When do you read the meter?", "Must I pay for a leaking pipe in my garden?"]
)
def test_given_one_of_many_facts_in_a_passage_then_it_is_found(
    embedder: BundledEmbedder, reranker: Reranker, question: str
) -> None:
    assert rated(embedder, reranker, question, (QUESTIONS_AND_ANSWERS,))[0] >= unrelated_below(Settings())


def test_given_a_model_that_no_passage_names_then_the_question_is_turned_away(
    embedder: BundledEmbedder, reranker: Reranker
) -> None:
    known, unknown = (
        rated(embedder, reranker, f"May the {model} be used outdoors?", MODELS)
        for model in ("AQ-100", "AQ-300")
    )

    assert known[0] >= unrelated_below(Settings()) > unknown[0]
    assert "AQ-100" in known[1]


@pytest.mark.parametrize(
    ("texts", "question", "unrelated"),
    [
        (RUSSIAN, "В какие дни вывозят мусор?", "Какая столица Монголии?"),
        (CHINESE, "垃圾哪几天收？", "蒙古的首都是哪里？"),
    ],
)
def test_given_a_script_that_the_models_do_not_read_then_its_words_decide(
    embedder: BundledEmbedder, reranker: Reranker, texts: Sequence[str], question: str, unrelated: str
) -> None:
    relevance, text = rated(embedder, reranker, question, texts)

    assert text == texts[1]
    assert relevance >= unrelated_below(Settings())
    assert rated(embedder, reranker, unrelated, texts)[0] < unrelated_below(Settings())
