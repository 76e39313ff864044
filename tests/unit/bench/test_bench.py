"""What benchmarks make of what they measured."""

import json
from pathlib import Path

import pytest

from bench.corpus import CHAPTER_CHARACTERS, of_file, python_topics
from bench.figures import Figure, percentile, write

FILE = {
    "articles": [
        {
            "title": "Harbour",
            "paragraphs": [
                {
                    "text": "The bell rings at noon.",
                    "questions": [{"question": "When?", "answers": ["noon"]}],
                },
                {"text": "The lamp is green.", "questions": []},
            ],
        }
    ]
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(FILE), "utf-8")
    return path


def test_a_file_of_questions_is_a_corpus_of_articles(file: Path) -> None:
    corpus = of_file(file)

    assert corpus.documents == ("The bell rings at noon.\n\nThe lamp is green.",)
    assert corpus.questions == ("When?",)


def test_the_standard_corpus_has_documents_of_chapter_length() -> None:
    documents = python_topics().documents

    assert len(documents) >= 6
    assert all(len(document) >= CHAPTER_CHARACTERS for document in documents[:-1])


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 101)]

    assert percentile(values, 0.5) == 51
    assert percentile(values, 0.95) == 96
    assert percentile([3.0], 0.95) == 3
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.mark.parametrize(
    ("value", "more", "met"), [(0.9, True, True), (0.7, True, False), (0.7, False, True)]
)
def test_a_limit_is_a_least_or_a_most(value: float, more: bool, met: bool) -> None:
    assert Figure(value, "", 0.8, more_is_better=more).met is met


def test_the_file_has_value_unit_limit_and_peers_of_each_figure(tmp_path: Path) -> None:
    path = tmp_path / "out" / "latest.json"

    write({"ready_s": Figure(3.14159, "s", 15.0, peers={"other": 60.0})}, path, "two cores")

    written = json.loads(path.read_text("utf-8"))
    assert written["machine"] == "two cores"
    assert written["ready_s"] == {
        "value": 3.1416, "unit": "s", "limit": 15.0, "more_is_better": False, "peers": {"other": 60.0},
    }  # fmt: skip
