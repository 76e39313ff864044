"""What evaluation and benchmarks make of what they measured."""

import json
from pathlib import Path

import pytest

from bench.corpus import CHAPTER_CHARACTERS, of_file, python_topics
from bench.figures import Figure, percentile, write
from bench.quality import normalised, read
from rag.errors import ConfigurationError

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


@pytest.mark.parametrize(
    ("text", "same"),
    [("The U.S.", "u s"), ("An answer [1], quoted.", "answer quoted"), ("  a  b\nc ", "b c"), ("[12]", "")],
)
def test_answers_are_compared_without_articles_punctuation_and_marks(text: str, same: str) -> None:
    assert normalised(text) == same


def test_questions_name_the_paragraph_that_answers_them(file: Path) -> None:
    (article,) = read(file)

    assert article.paragraphs == ("The bell rings at noon.", "The lamp is green.")
    assert [asking.answers for asking in article.questions] == [("noon",)]


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

    write({"ready_s": Figure(3.14159, "s", 15.0, peers={"other": 60.0})}, path)

    assert json.loads(path.read_text("utf-8"))["ready_s"] == {
        "value": 3.1416, "unit": "s", "limit": 15.0, "more_is_better": False, "peers": {"other": 60.0},
    }  # fmt: skip


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"articles": [{"title": "a"}]}', '{"articles": [1]}', "\xff"]
)
def test_a_file_of_another_form_is_a_wrong_setting(tmp_path: Path, content: str) -> None:
    file = tmp_path / "questions.json"
    file.write_text(content, "latin-1")

    with pytest.raises(ConfigurationError, match=r"questions\.json has not the form"):
        read(file)


def test_the_form_in_the_reference_is_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text("utf-8")
    file = tmp_path / "questions.json"
    file.write_text(page.partition("```json\n")[2].partition("```")[0])

    assert [each.question for article in read(file) for each in article.questions] == [
        "What does the VPN need?"
    ]
