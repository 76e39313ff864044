"""Every form of questions becomes one model; what has no form is refused with what to do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.evaluation.model import Dataset, Question
from cli.evaluation.readers import reading
from cli.evaluation.readers.formats import read, read_all
from cli.evaluation.readers.table import needs_of_answer
from rag.errors import ConfigurationError
from tests.unit.cli.evaluation.questionfiles import (
    AQUEDUCT,
    BELL,
    CASES,
    OWN,
    SQUAD,
    write_beir,
    write_cases,
    write_json,
    write_table,
)

ROOT = Path(__file__).parents[4]


def asked(dataset: Dataset, kind: str) -> list[Question]:
    return [question for question in dataset.questions if question.kind == kind]


def text_of(dataset: Dataset, question: Question) -> list[str]:
    """The texts of the right documents."""
    (collection,) = [each for each in dataset.collections if each.name == question.collection]
    return [text.text for text in collection.texts if text.document_id in question.documents]


def test_a_question_of_squad_has_its_paragraph_and_each_wording_once(tmp_path: Path) -> None:
    dataset = read(write_json(tmp_path / "squad.json", SQUAD))

    first, second = asked(dataset, "squad")
    assert first.needs == (("twice", "twice at noon"),)
    assert text_of(dataset, first) == [BELL]
    assert text_of(dataset, second) == [AQUEDUCT]
    assert dataset.has_limits


def test_an_impossible_question_of_squad_is_to_be_refused(tmp_path: Path) -> None:
    dataset = read(write_json(tmp_path / "squad.json", SQUAD))

    (near,) = asked(dataset, "squad, near miss")
    assert not near.answerable
    assert near.needs == ()


@pytest.mark.parametrize("content", [OWN, SQUAD], ids=["own", "squad"])
def test_questions_about_articles_that_are_left_out_are_off_topic(tmp_path: Path, content: object) -> None:
    dataset = read(write_json(tmp_path / "file.json", content))

    (off,) = asked(dataset, "file, off topic")
    (half,) = [each for each in dataset.collections if each.name == off.collection]
    assert off.text == "Who finished the aqueduct?"
    assert not off.answerable
    assert [text.text for text in half.texts] == [BELL]


def test_one_article_alone_has_no_questions_off_topic(tmp_path: Path) -> None:
    dataset = read(write_json(tmp_path / "file.json", {"articles": OWN["articles"][:1]}))

    assert [question.kind for question in dataset.questions] == ["file"]


def test_a_query_of_beir_has_graded_documents_and_no_answer(tmp_path: Path) -> None:
    dataset = read(write_beir(tmp_path / "scifact"))

    assert [(q.text, q.documents, q.needs) for q in dataset.questions] == [
        ("How often does the bell ring?", {"bell": 2}, ()),
        ("Who finished the aqueduct?", {"aqueduct": 1}, ()),
    ]
    assert [(text.document_id, text.title) for text in dataset.collections[0].texts] == [
        ("bell", "Bell"),
        ("aqueduct", ""),
    ]


def test_a_table_names_needs_documents_and_kinds(tmp_path: Path) -> None:
    dataset = read(write_table(tmp_path / "handbook"))

    bell, builder, hotel = dataset.questions
    assert bell.needs == (("twice", "two times"),)
    assert bell.documents == {"bell.md": 1}
    assert (builder.documents, builder.kind) == ({"aqueduct.md": 1}, "builders")
    assert not hotel.answerable
    assert dataset.collections[0].folder == tmp_path / "handbook" / "docs"


def test_a_table_beside_its_documents_is_no_document(tmp_path: Path) -> None:
    (tmp_path / "bell.md").write_text(BELL)
    (tmp_path / "questions.csv").write_text("question,need,document\nWhen?,noon,*\n")

    (question,) = read(tmp_path).questions
    assert question.documents == {"bell.md": 1}


def test_the_shape_of_the_quarterly_reports_is_read(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name in ("2023 Q1 AAPL.md", "2023 Q1 NVDA.md"):
        (tmp_path / "docs" / name).write_text("Net sales were 117,154 million.")
    (tmp_path / "questions.csv").write_text(
        "Question,Source Docs,Question Type,Source Chunk Type,Answer\n"
        'What were net sales?,*AAPL*,Single-Doc,Table,"They were $117,154 million, up 5% from 111,439.\n'
        'SOURCE(S): 2023 Q1 AAPL.pdf"\n'
    )

    (question,) = read(tmp_path).questions
    assert question.documents == {"2023 Q1 AAPL.md": 1}
    assert question.needs == (("117,154",), ("111,439",))
    assert question.kind == "Single-Doc"


@pytest.mark.parametrize(
    ("answer", "needs"),
    [
        ("Ottoline Varga", (("Ottoline Varga",),)),
        (
            "It rose by 12% from 995 in 2022 to 1,450.5 on May 25 (SOURCE: 2023 Q1 117.pdf)",
            (("12",), ("995",), ("1,450.5",)),
        ),
        ("It rose for many reasons, of which none is a number", ()),
        ("", ()),
    ],
)
def test_a_reference_answer_tells_what_is_needed(answer: str, needs: tuple[tuple[str, ...], ...]) -> None:
    assert needs_of_answer(answer) == needs


def test_cases_have_words_a_document_and_questions_to_refuse(tmp_path: Path) -> None:
    first, within, refused = read(write_cases(tmp_path)).questions

    assert first.needs == (("twice",), ("noon",))
    assert within.within == "bell.md"
    assert (refused.answerable, refused.needs) == (False, ())
    assert read(tmp_path) == read(tmp_path / "cases.json")


def test_several_files_are_one_dataset(tmp_path: Path) -> None:
    paths = [write_json(tmp_path / f"xquad.{language}.json", SQUAD) for language in ("de", "tr", "ru", "zh")]

    dataset = read_all(paths[:2])

    assert dataset.name == "xquad.de, xquad.tr"
    assert read_all(paths).name == "xquad.de and 3 more"
    assert {question.kind for question in dataset.questions} >= {"xquad.de", "xquad.tr"}
    assert len({each.name for each in dataset.collections}) == 4
    with pytest.raises(ConfigurationError, match="two collections"):
        read_all([paths[0], paths[0]])


def _deep(path: Path) -> Path:
    path.write_text("[" * 100_000)
    return path


def _table(text: str) -> Callable[[Path], Path]:
    return lambda path: write_table(path, text)


FAULTS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda path: path, "is not there"),
    "empty file": (lambda path: write(path, b""), "is no JSON"),
    "no JSON": (lambda path: write(path, b"\xff\xfe"), "is no JSON"),
    "deep JSON": (_deep, "is no JSON"),
    "lone surrogate": (lambda path: write(path, b'{"data": [{"title": "\\ud800"}]}'), "is no JSON"),
    "other JSON": (lambda path: write_json(path, [1]), "does not have any form"),
    "own form broken": (lambda path: write_json(path, {"articles": [{"title": "a"}]}), r"articles\.0\.para"),
    "SQuAD broken": (lambda path: write_json(path, {"data": [{"paragraphs": [{}]}]}), r"data\.0\.paragraphs"),
    "no question": (lambda path: write_json(path, {"data": []}), "has no question"),
    "blank question": (
        lambda path: write_json(
            path, {"data": [{"paragraphs": [{"context": "a", "qas": [{"question": " "}]}]}]}
        ),
        "at least 1 character",
    ),
    "case elsewhere": (
        lambda path: write_json(path, [{"case": "../etc", "questions": []}]), "there is no folder '../etc'"
    ),
    "case without folder": (lambda path: write_json(path, CASES), "there is no folder 'harbour'"),
    "empty need": (
        lambda path: write_json(path, [{"case": "a", "questions": [{"q": "?", "need": []}]}]), "need"
    ),
    "folder of nothing": (lambda path: path.mkdir() or path, "has none of corpus.jsonl"),
    "table without questions": (_table("a,b\n1,2\n"), "names no column `question`"),
    "table with an unknown document": (
        _table("question,document\nWhen?,*x*\n"), r"line 2: no document is called '\*x\*'"
    ),
    "table with a wrong page": (_table("question,page\nWhen?,0\n"), "line 2: '0' is no page number"),
    "table with a huge field": (
        # the first where this process reads no CSV documents, which have longer fields
        _table("question\n" + "a" * 200_000), "field larger than field limit|has 1 to 4000 characters"
    ),
    "table with a blank question": (_table("question,need\n,noon\n"), "1 to 4000 characters"),
}  # fmt: skip


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_of_another_form_is_refused_in_one_line(tmp_path: Path, fault: str) -> None:
    make, message = FAULTS[fault]

    with pytest.raises(ConfigurationError, match=message) as refused:
        read(make(tmp_path / "questions"))

    assert str(tmp_path) in str(refused.value)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.jsonl", '{"_id": "a"', r"corpus\.jsonl, line 1"),
        ("corpus.jsonl", '{"_id": "", "text": "a"}', r"corpus\.jsonl, line 1"),
        ("queries.jsonl", '{"_id": "q9", "text": "Ungraded?"}', "grades no query"),
        ("qrels/test.tsv", "a\tb\tc\nq1 bell 1\n", r"test\.tsv, line 2"),
        ("qrels/test.tsv", f"a\tb\tc\nq1\tbell\t{'9' * 5000}\n", r"test\.tsv, line 2"),
    ],
)
def test_a_broken_folder_of_beir_is_refused_with_the_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    folder = write_beir(tmp_path / "scifact")
    (folder / name).write_text(content, "utf-8")

    with pytest.raises(ConfigurationError, match=message):
        read(folder)


def test_a_file_over_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 100)

    with pytest.raises(ConfigurationError, match="split it"):
        read(write_json(tmp_path / "squad.json", SQUAD))


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    for name, text in (("own.json", json.dumps(OWN)), ("docs.csv", "question,need\nWhen?,noon\n")):
        (tmp_path / name).write_text(text, "utf-8-sig")

    assert read(tmp_path / "own.json").questions
    assert [question.text for question in read(tmp_path / "docs.csv").questions] == ["When?"]


def test_every_form_in_the_reference_is_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8")
    own, cases = (part.partition("```")[0] for part in page.split("```json\n")[1:3])
    table = page.partition("```csv\n")[2].partition("```")[0]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "remote-work.md").write_text("The VPN needs a hardware key.")
    (tmp_path / "own.json").write_text(own)
    (tmp_path / "cases.json").write_text(cases)
    (tmp_path / "questions.csv").write_text(table)

    for name in ("own.json", "cases.json", "questions.csv"):
        assert read(tmp_path / name).questions[0].text == "What does the VPN need?", name
