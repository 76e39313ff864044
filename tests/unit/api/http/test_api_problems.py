"""Errors as problems: each of our errors has its status, and no answer tells internals."""

import asyncio
import json
import logging
import re
from http import HTTPStatus
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.access.access import ANYBODY, CALLER, REQUEST_ID, Caller
from api.calls.json_body import parse
from api.http.heads import HTTP_PROBLEMS, Refusal
from api.http.problems import MEDIA_TYPE, install, of_error, of_http, of_validation, status_of
from api.schemas.bodies import QueryIn
from rag import errors
from rag.access.origins import _ELSEWHERE, _HOST, _ORIGIN
from rag.errors import AegisError, translated
from rag.settings import Role
from tasks.stages.outcomes import CRASHED


def every_error(base: type[AegisError] = AegisError) -> list[type[AegisError]]:
    return [base, *(error for kind in base.__subclasses__() for error in every_error(kind))]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidRequest("x"), 422),
        (errors.UnknownCollection("x"), 404),
        (errors.NotFound("x"), 404),
        (errors.Conflict("x"), 409),
        (errors.IdempotencyMismatch("x"), 422),
        (errors.UnsupportedMedia("x"), 415),
        (errors.UnexpectedType("x"), 415),
        (errors.InvalidCursor("x"), 400),
        (errors.DocumentTooLarge("x"), 413),
        (errors.EmptyDocument("x"), 422),
        (errors.Unauthenticated("x"), 401),
        (errors.Forbidden("x"), 403),
        (errors.Overloaded("x"), 429),
        (errors.Unavailable("x"), 503),
        (errors.TimedOut("x"), 503),
        (errors.ModelError("x"), 500),
        (errors.ConfigurationError("x"), 500),
    ],
)
def test_status_of_each_error(error, status):
    assert of_error(error).status_code == status


@pytest.mark.parametrize("kind", every_error())
def test_every_error_becomes_a_whole_problem(kind):
    answer = of_error(kind("what went wrong"))

    body = json.loads(answer.body)
    assert answer.media_type == MEDIA_TYPE
    assert body.keys() >= {"type", "title", "status", "detail"}
    assert body["status"] == answer.status_code
    assert body["type"].startswith("urn:aegis:problem:")


def test_an_unforeseen_error_tells_nothing():
    answer = of_error(errors.AegisError("secret path /etc/x"))

    assert answer.status_code == 500
    assert b"secret" not in answer.body


@pytest.mark.parametrize(("given", "told"), [(None, "2"), (0.2, "1"), (7.1, "8")])
def test_transient_errors_say_when_to_come_again(given, told):
    assert of_error(errors.Overloaded("x", retry_after=given)).headers["retry-after"] == told


def test_a_missing_key_is_asked_for():
    assert of_error(errors.Unauthenticated("x")).headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("status", "code"), [(404, "no-such-path"), (405, "method-not-allowed"), (418, "i'm-a-teapot")]
)
def test_what_the_framework_refuses_is_a_problem_too(status, code):
    answer = of_http(HTTPException(status, headers={"Allow": "GET"}))

    assert json.loads(answer.body)["type"] == f"urn:aegis:problem:{code}"
    assert answer.headers["allow"] == "GET"


def test_a_cause_of_ours_decides():
    error = HTTPException(413)
    error.__cause__ = errors.DocumentTooLarge("50 MB at most")

    assert json.loads(of_http(error).body)["type"] == "urn:aegis:problem:document-too-large"


def test_faults_name_their_fields_and_never_repeat_the_input():
    faults = [
        {"loc": ("body", "metadata", "a/b~c", 0), "msg": "Value error, no", "type": "x", "input": "secret"},
        {"loc": ("query", "limit"), "msg": "too big", "type": "x", "input": "secret"},
        {"loc": ("body",), "msg": "not JSON", "type": "x", "input": "secret"},
    ]

    body = json.loads(of_validation(RequestValidationError(faults)).body)

    assert [fault["field"] for fault in body["errors"]] == ["metadata.a/b~c.0", "limit", "body"]
    assert [fault.get("pointer") for fault in body["errors"]] == ["#/metadata/a~1b~0c/0", None, "#"]
    assert "secret" not in json.dumps(body)
    assert "Value error" not in body["detail"]


@pytest.mark.parametrize(("count", "told"), [(20, 20), (21, 20), (1000, 20), (1001, 1), (15_000, 1)])
def test_of_very_many_faults_the_first_are_told(count, told):
    fields = ",".join(f'"{n:x}":1' for n in range(count))
    sent = f'{{"question":"Why?",{fields}}}'.encode()
    with pytest.raises(RequestValidationError) as refused:
        parse(sent, QueryIn)

    body = json.loads(of_validation(refused.value).body)

    assert len(refused.value.errors()) <= 1000
    assert len(body["errors"]) == told
    assert len(body["detail"]) < 2000
    assert ("more" in body["detail"]) == (20 < count <= 1000)
    assert (str(count) in body["detail"]) == (count > 1000)


AWAY = "Error 111 connecting to 10.0.0.7:6379"


def of_the_driver(kind: type[AegisError]) -> AegisError:
    with pytest.raises(AegisError) as raised, translated({OSError: kind}, "Redis"):
        raise OSError(AWAY)
    return raised.value


@pytest.mark.parametrize(
    "error",
    [of_the_driver(errors.Unavailable), of_the_driver(errors.Overloaded), errors.Unavailable(f"x: {AWAY}"),
     errors.Refused(AWAY)],
)  # fmt: skip
def test_where_a_part_lies_is_for_the_log_and_for_operators(error, caplog):
    app = FastAPI()
    install(app)
    answered = app.exception_handlers[AegisError]

    def told(caller: Caller | None) -> str:
        request = Request({"type": "http", REQUEST_ID: "id-1", CALLER: caller})
        with caplog.at_level(logging.WARNING):
            body = json.loads(asyncio.run(answered(request, error)).body)
        assert (body["title"], body["status"]) == (error.title, int(of_error(error).status_code))
        return body["detail"]

    assert "10.0.0.7" not in told(None)
    assert "10.0.0.7" not in told(Caller("reader", Role.READ, None))
    assert "10.0.0.7" not in told(Caller("tenant", Role.ADMIN, ("theirs",)))
    assert "10.0.0.7" in told(ANYBODY)
    assert "id-1" in caplog.text
    assert AWAY in caplog.text


@pytest.mark.parametrize(
    "error",
    [errors.Overloaded("the queue is full"), errors.TimedOut("not in time"), errors.Recovering("it forgot"),
     errors.InvalidRequest("top_k: 1 to 5")],
)  # fmt: skip
def test_what_we_say_ourselves_is_told_to_everybody(error):
    assert json.loads(of_error(error).body)["detail"] == str(error)


def test_each_type_of_problem_has_one_title_of_its_own():
    titles = {kind.code: kind.title for kind in every_error() if "code" in vars(kind)}
    of_paths = dict(HTTP_PROBLEMS.values())
    of_pages = {refusal.code: refusal.title for refusal in (_ELSEWHERE, _HOST, _ORIGIN)}

    assert not titles.keys() & of_paths.keys()
    everything = [*titles.values(), *of_paths.values(), *of_pages.values()]
    assert len(everything) == len(set(everything))


@pytest.mark.parametrize("status", [400, 408, 413])
def test_a_problem_is_called_the_same_before_and_behind_the_routes(status):
    before = json.loads(Refusal(HTTPStatus(status), "x").answer().partition(b"\r\n\r\n")[2])
    behind = json.loads(of_http(HTTPException(status)).body)

    assert (before["type"], before["title"]) == (behind["type"], behind["title"])


PAGE = Path(__file__).parents[4] / "docs" / "reference" / "api.md"
NEVER_TOLD = {errors.Permanent, errors.DocumentError, errors.Transient, errors.Forged}
"""Families, of which only the members are raised, and what is wrong with a message of the queue."""


def told_rows(heading: str) -> list[tuple[str, str]]:
    """(first cell, second cell) of each row of the table under that line of the page."""
    table = PAGE.read_text("utf-8").partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| ([^|]+) \| ([^|]+) \|", table, re.MULTILINE)


def told_statuses() -> set[tuple[int, str]]:
    """Each (status, code) of the page's table of answers."""
    return {pair for statuses, codes in told_rows("status") for pair in pairs_of(statuses, codes_in(codes))}


def pairs_of(statuses: str, codes: list[str]) -> list[tuple[int, str]]:
    """One status is that of all codes; several are theirs in turn."""
    numbers = [int(number) for number in statuses.split(", ")]
    return list(zip(numbers * len(codes) if len(numbers) == 1 else numbers, codes, strict=True))


def told_of_jobs() -> set[str]:
    return {code for codes, _ in told_rows("code of a job") for code in codes_in(codes)}


def told_kinds() -> list[type[AegisError]]:
    """Those of our tree, but for those that no answer and no job tells; adapters' own have codes of these."""
    return [kind for kind in every_error() if kind.__module__ == errors.__name__ and kind not in NEVER_TOLD]


def codes_in(cell: str) -> list[str]:
    return re.findall(r"`([a-z-]+)`", cell)


def answered() -> set[tuple[int, str]]:
    """Each (status, code) that is no error of our tree."""
    of_http = {(status, code) for status, (code, _) in HTTP_PROBLEMS.items()}
    of_origins = {(403, refusal.code) for refusal in (_ELSEWHERE, _HOST, _ORIGIN)}
    return of_http | of_origins | {(416, "range-not-satisfiable")}


def test_the_page_tells_each_problem_with_its_status() -> None:
    ours = {(int(status_of(kind())), kind.code) for kind in told_kinds()}
    told = told_statuses()

    assert answered() - told == set()
    assert told - answered() - ours == set()


def test_the_page_tells_every_code_of_our_errors() -> None:
    told = {code for _, code in told_statuses()} | told_of_jobs()

    assert {kind.code for kind in told_kinds()} - told == set()


def test_the_page_tells_no_code_of_a_job_that_there_is_not() -> None:
    assert told_of_jobs() - {kind.code for kind in told_kinds()} == {CRASHED}
