"""Runs asked of an API, kept in a file, and compared with what was kept."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cli.client.client import Client
from cli.evaluation.ablation import measure_variant, variants
from cli.evaluation.asking import Asker, draw_sample
from cli.evaluation.collections import name_at_api, sources_of
from cli.evaluation.display import LIMITS, figures
from cli.evaluation.model import Collection, Dataset, Question, Text
from cli.evaluation.run import Run, check_writable, read_runs, write_runs
from cli.evaluation.scoring import Score, Verdict
from cli.evaluation.stacks import running
from cli.evaluation.tables import tables_of, variants_table
from cli.main import app
from rag.errors import AegisError, ConfigurationError, Unauthenticated, Unavailable
from rag.naming import checked_collection_name
from rag.settings import Settings
from tests.unit.cli.evaluation.questionfiles import OWN, write_json, write_table
from tests.unit.cli.ingestion.ingestapi import problem

PLACE = {"document_id": "bell", "text": "It rings twice.", "page": 1, "score": 0.9, "url": "/x"}
QUESTIONS = [
    Question(f"Question {number}?", "c", "ab"[number % 2], needs=(("twice",),)) for number in range(130)
]


def ended(body: dict[str, Any]) -> httpx.Response:
    """A query that has ended well."""
    answer = "Twice. [1]" if body.get("generate", True) else None
    result = {"answer": answer, "citations": [PLACE] if answer else [], "hits": [PLACE]}
    return httpx.Response(200, json={"id": "j", "state": "succeeded", "result": result, "error": None})


def asker(answer: Callable[[dict[str, Any]], httpx.Response], **options: object) -> Asker:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.headers["prefer"].startswith("wait=")
        return answer(json.loads(request.content))

    client = Client("http://127.0.0.1:9", transport=httpx.MockTransport(handle))
    return Asker(client, {"c": "eval-c"}, options)


def test_each_question_is_asked_for_passages_and_for_an_answer_past_the_caches() -> None:
    bodies: list[dict[str, Any]] = []

    def note(body: dict[str, Any]) -> httpx.Response:
        bodies.append(body)
        return ended(body)

    done: list[None] = []
    scores = asker(note, top_n=1).ask_all(
        [replace(QUESTIONS[0], within="bell.md")], lambda: done.append(None)
    )

    common = {"question": "Question 0?", "collection": "eval-c", "cache": False}
    limited = {**common, "filter": {"document_id": "bell.md"}}
    assert bodies[-2:] == [{**limited, "generate": False, "top_n": 10}, {**limited, "top_n": 1}]
    assert [score.verdict for score in scores] == [Verdict.RIGHT]
    assert len(done) == 1


def test_scores_are_in_the_order_of_the_questions_and_only_lonely_ones_have_times() -> None:
    scores = asker(ended).ask_all(QUESTIONS, lambda: None)

    assert [score.question for score in scores] == [question.text for question in QUESTIONS]
    assert sum(score.seconds is not None for score in scores) == 100
    assert len({score.id for score in scores}) == len(QUESTIONS)


def test_a_question_that_comes_twice_has_two_ids_which_stay_the_same() -> None:
    first, second = (
        [score.id for score in asker(ended).ask_all([QUESTIONS[0], QUESTIONS[0]], lambda: None)] for _ in "ab"
    )

    assert first == second
    assert len(set(first)) == 2


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx.Response(
            200, json={"id": "j", "state": "dead", "result": None, "error": {"detail": "it timed out"}}
        ),
        lambda _: problem(422, "invalid-request", "it timed out"),
    ],
    ids=["job", "request"],
)
def test_a_question_that_fails_ends_nothing(answer: Callable[[dict[str, Any]], httpx.Response]) -> None:
    (score,) = asker(answer).ask_all(QUESTIONS[:1], lambda: None)

    assert score.verdict is Verdict.FAILED
    assert "it timed out" in score.reason


def test_an_error_that_each_question_would_meet_ends_all() -> None:
    with pytest.raises(Unauthenticated):
        asker(lambda _: problem(401, "unauthenticated", "no key")).ask_all(QUESTIONS, lambda: None)


def test_a_sample_has_so_many_of_each_kind_and_is_the_same_each_time() -> None:
    sample = draw_sample(QUESTIONS, 10)

    assert [sum(question.kind == kind for question in sample) for kind in "ab"] == [10, 10]
    assert sample == draw_sample(QUESTIONS, 10)
    assert draw_sample(QUESTIONS, None) == QUESTIONS


def test_a_collection_is_named_after_what_is_in_it(tmp_path: Path) -> None:
    folder = write_table(tmp_path / "handbook") / "docs"
    collections = [
        Collection("Handbuch für Züge, alle ☂ Artikel und noch viel mehr als hineinpasst", folder=folder),
        Collection("☂", texts=(Text("a", "one"),)),
        Collection("☂", texts=(Text("a", "two"),)),
    ]

    before = [name_at_api(each.name, sources_of(each)) for each in collections]
    (folder / "bell.md").write_text("changed")
    after = name_at_api(collections[0].name, sources_of(collections[0]))

    assert len({*before, after}) == 4
    for name in (*before, after):
        assert checked_collection_name(name).startswith("eval-")


def test_files_that_are_no_documents_are_not_sent(tmp_path: Path) -> None:
    folder = write_table(tmp_path / "handbook") / "docs"
    without = frozenset({(folder / "bell.md").resolve()})

    sources = sources_of(Collection("c", folder=folder, without=without))

    assert [source.document_id for source in sources] == ["aqueduct.md"]


def run_of(*verdicts: Verdict, **fields: Any) -> Run:
    scores = tuple(
        Score(
            str(number), "k", "q", "e", verdict, answerable=True, reciprocal_rank=0.5, held=0.5, seconds=0.1
        )
        for number, verdict in enumerate(verdicts)
    )
    return Run("set", "0.2.0", 2, scores, **fields)


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    runs = [
        run_of(Verdict.RIGHT, Verdict.REFUSED, site="http://a", unread=("x: y",)),
        run_of(variant="v", fault="f"),
    ]

    write_runs(runs, tmp_path / "run.json")

    assert read_runs(tmp_path / "run.json") == runs
    written = json.loads((tmp_path / "run.json").read_text())
    assert written[0]["figures"]["all kinds"]["mrr"] == 0.5
    assert written[0]["figures"]["all kinds"]["verdicts"] == {"right": 1, "refused": 1}


@pytest.mark.parametrize("content", ["", "{}", "[]", "[1]", '[{"name": "a", "format": 2}]', "[" * 10_000])
def test_a_file_that_is_no_run_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)

    with pytest.raises(ConfigurationError, match=r"run\.json"):
        read_runs(tmp_path / "run.json")


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "run.json"):
        with pytest.raises(ConfigurationError, match="cannot be written"):
            check_writable(path)


def test_only_sets_of_the_kind_of_squad_have_limits() -> None:
    limited, other = figures(run_of(Verdict.RIGHT, has_limits=True)), figures(run_of(Verdict.RIGHT))

    assert {name for name, figure in limited.items() if figure.limit is not None} == {
        "mrr",
        "answered",
        "falsely_refused",
    } & set(LIMITS)
    assert all(figure.limit is None for figure in other.values())
    assert not limited["mrr"].met
    assert limited["query_p50_ms"].value == pytest.approx(100)


def test_tables_have_no_column_in_which_nothing_is() -> None:
    retrieval, answers, _, _ = tables_of(run_of(Verdict.RIGHT, Verdict.REFUSED))

    assert retrieval.head == ("kind", "questions", "MRR@10", "first", "among ten")
    assert answers.head == ("kind", "right", "refused", "in answer")
    assert answers.rows == (("all kinds", "1", "1", "0.500"),)


def test_variants_change_settings_that_there_are() -> None:
    for variant in variants(on_own_stack=True):
        known = {name.lower() for name in Settings.model_fields}
        assert {name.lower() for name in variant.settings} <= known, variant
    assert [variant.settings for variant in variants(on_own_stack=False)] == [{}]


def test_a_variant_that_cannot_start_is_shown_with_its_reason() -> None:
    def broken(_: object) -> Any:
        raise Unavailable("the stack did not get ready")

    variant = next(variants(on_own_stack=True))
    fault = measure_variant(Dataset("s", (), ()), variant, broken, sample=None, progress=lambda _: None)
    table = variants_table([run_of(Verdict.RIGHT), fault])

    assert table.rows[0][0] == "defaults"
    assert table.rows[1][0] == f"{variant.name}: not measured: the stack did not get ready"


def test_nobody_at_the_address_is_a_transient_error() -> None:
    with pytest.raises(AegisError, match=r"127\.0\.0\.1:9"), running("http://127.0.0.1:9", None):
        pass


@pytest.fixture
def questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("AEGIS_", "API_")):
            monkeypatch.delenv(name)
    return write_json(tmp_path / "questions.json", OWN)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nowhere.json"], "nowhere.json is not there"),
        (["{questions}", "--compare", "{questions}"], "is no file that `aegis eval --json`"),
        (["{questions}", "--json", "/nowhere/run.json"], "cannot be written"),
        (["{questions}", "--url", "http://127.0.0.1:9"], "the API at http://127.0.0.1:9"),
    ],
)
def test_what_cannot_be_measured_is_told_before_a_stack_starts(
    questions: Path, arguments: list[str], error: str
) -> None:
    filled = [argument.format(questions=questions) for argument in arguments]

    done = CliRunner().invoke(app, ["eval", *filled])

    assert isinstance(done.exception, AegisError)
    assert error in str(done.exception)
