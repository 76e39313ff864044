"""``aegis jobs``, ``documents``, ``collections``, ``search`` and ``status``: what they send and show."""

import json
from collections.abc import Callable, Mapping
from itertools import count

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli.client.client import Client
from cli.commands import batch, watch
from cli.commands.call import Call
from cli.main import app
from rag.errors import AegisError, Forbidden, NotFound, Unauthenticated
from rag.web.jsontypes import Json

AT = "2026-11-23T10:00:00Z"
DOCUMENT = {
    "document_id": "guides/vpn.md", "collection": "handbook", "version": 2, "title": "VPN", "chunks": 3,
    "media_type": "text/markdown", "tokens": 40, "metadata": {"lang": "en"}, "created_at": AT,
    "updated_at": AT,
}  # fmt: skip
COLLECTION = {
    "name": "handbook", "embedding_model": "m", "dimension": 8, "documents": 12, "chunks": 30,
    "created_at": AT,
    "layouts": [{"number": 1, "embedding_model": "m", "dimension": 8, "state": "serving", "job_id": None}],
}  # fmt: skip
HIT = {
    "document_id": "guides/vpn.md", "chunk_id": "c1", "title": "VPN", "page": None, "start": 0, "end": 9,
    "text": "Use the\tkey", "score": 0.5,
}  # fmt: skip


def job(number: int, state: str = "running", **fields: object) -> Json:
    return {
        "id": f"01990a6f-3c1{number}-7b1e-9a44-1d2f5a0c7e11", "kind": "ingest", "state": state,
        "stage": "embed",
        "progress": {"done": 1, "total": 4}, "queue_position": None, "created_at": AT, "started_at": AT,
        "finished_at": None, "attempts": 1, "result": None, "error": None, "trace_id": None, **fields,
    }  # fmt: skip


FIRST, SECOND = job(0)["id"], job(1)["id"]


class Service:
    """Answers by method and path; the last of several answers stays. 404 for anything else."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Mapping[str, str], object]] = []
        self.answers: dict[tuple[str, str], list[tuple[int, object]]] = {}

    def tell(self, method: str, path: str, *bodies: object, status: int = 200) -> None:
        self.answers[method, path] = [(status, body) for body in bodies]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, path, dict(request.url.params), body))
        known = self.answers.get((request.method, path))
        if known is None:
            detail = {"type": "urn:aegis:problem:not-found", "detail": f"There is no {path}"}
            return httpx.Response(404, json=detail)
        status, answer = known.pop(0) if len(known) > 1 else known[0]
        return httpx.Response(status, json=answer)

    def sent(self, method: str) -> list[str]:
        return [path for verb, path, *_ in self.asked if verb == method]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    service.tell(
        "GET", "/v1/jobs", {"items": [job(1, "failed", error={"detail": "broken"}), job(0)], "next": None}
    )
    for each in (job(0), job(1, "failed")):
        service.tell("GET", f"/v1/jobs/{each['id']}", each)
    service.tell("GET", "/v1/documents", {"items": [DOCUMENT], "next": None})
    service.tell("GET", "/v1/documents/guides%2Fvpn.md", DOCUMENT)
    service.tell("DELETE", "/v1/documents/guides%2Fvpn.md", {"job_id": "1"}, status=202)
    service.tell("GET", "/v1/collections", {"items": [COLLECTION], "next": None})
    service.tell("GET", "/v1/collections/handbook", COLLECTION)
    service.tell("DELETE", "/v1/collections/handbook", {"job_id": "1"}, status=202)
    transport = httpx.MockTransport(service)
    monkeypatch.setattr(Call, "client", lambda _: Client("http://api.test", transport=transport))
    return service


def aegis(*arguments: str, **more: str) -> Result:
    return CliRunner().invoke(app, arguments, **more)


def test_jobs_alone_lists_and_an_id_alone_is_shown_as_json(service: Service) -> None:
    listed = aegis("jobs", "--state", "failed", "--kind", "ingest", "--kind", "query")

    assert listed.exit_code == 0, listed.output
    assert "broken" in listed.stdout
    assert listed.stdout == aegis("jobs", "list", "--state", "failed").stdout
    request = next(each for each in service.asked if each[1] == "/v1/jobs")
    assert request[2]["state"] == "failed"
    assert aegis("jobs", "--state", "failed", "--state", "dead", "--document", "guides/vpn.md").exit_code == 0
    assert service.asked[-1][2].get("document_id") == "guides/vpn.md"
    assert json.loads(aegis("jobs", "01990a6f-3c10").stdout)["id"] == FIRST
    assert json.loads(aegis("jobs", "--json", FIRST).stdout)["id"] == FIRST
    assert len(json.loads(aegis("jobs", "--json", "--limit", "1").stdout)) == 1


def test_one_job_is_shown_for_people(service: Service) -> None:
    shown = aegis("jobs", "show", "01990a6f-3c10")

    assert shown.exit_code == 0, shown.output
    assert f"id        {FIRST}" in shown.stdout
    assert "embed, attempt 1" in shown.stdout
    assert "1/4" in shown.stdout


WAIT = {
    "reason": "queue", "message": "41 jobs come before it in lane embed", "error": None, "since": AT,
    "until": None, "place": 42, "starts_at": "2026-11-23T10:02:00Z", "estimate_error": 0.3,
}  # fmt: skip
STUCK = {
    "reason": "no-worker", "count": 12, "to_do": "Start a worker of the lane",
    "jobs": [
        {
            "id": FIRST, "kind": "ingest", "stage": "embed", "since": AT, "message": "None is there",
            "error": None,
        }
    ],
}  # fmt: skip


def test_a_job_that_waits_says_why_and_when_it_begins(service: Service) -> None:
    service.tell("GET", f"/v1/jobs/{FIRST}", job(0, "queued", queue_position=42, waiting_for=WAIT))

    shown = aegis("jobs", "show", FIRST)

    assert shown.exit_code == 0, shown.output
    assert "queue: 41 jobs come before it in lane embed" in shown.stdout
    assert "half of all estimates are within 30%" in shown.stdout


def test_jobs_that_are_stuck_are_shown_by_reason_with_what_to_do(service: Service) -> None:
    service.tell("GET", "/v1/jobs/stuck", {"items": [STUCK]})

    shown = aegis("jobs", "stuck")

    assert shown.exit_code == 0, shown.output
    assert "no-worker: 12 jobs. Start a worker of the lane\n" in shown.stdout
    assert f"  {FIRST}  ingest at embed, for " in shown.stdout
    assert json.loads(aegis("jobs", "stuck", "--json").stdout) == [STUCK]


def test_that_no_job_is_stuck_is_said(service: Service) -> None:
    service.tell("GET", "/v1/jobs/stuck", {"items": []})

    assert aegis("jobs", "stuck").stdout == "No job waits longer than is usual.\n"


@pytest.mark.parametrize(
    ("done", "said"),
    [(["lane parse: told again"], "lane parse: told again\n"), ([], "There is nothing to do")],
)
def test_what_unsticking_did_is_said(service: Service, done: list[str], said: str) -> None:
    service.tell("POST", "/v1/jobs/unstick", {"done": done})

    shown = aegis("jobs", "unstick")

    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith(said)


@pytest.mark.parametrize(
    ("verb", "call", "said"),
    [("cancel", "DELETE {}", "cancelled"), ("retry", "POST {}/retry", "queued again")],
)
def test_jobs_are_changed_each_by_itself(service: Service, verb: str, call: str, said: str) -> None:
    method, path = call.format(f"/v1/jobs/{FIRST}").split()
    service.tell(method, path, job(0), status=202)

    done = aegis("jobs", verb, "01990a6f-3c10", "nobody", SECOND)

    assert done.exit_code == 1
    assert done.stdout == f"{FIRST} {said}\n"
    assert "aegis: nobody: there is no job 'nobody'" in done.stderr
    assert f"aegis: {SECOND}: There is no" in done.stderr
    assert aegis("jobs", verb, FIRST).exit_code == 0


@pytest.mark.parametrize("verb", ["cancel", "retry", "watch"])
@pytest.mark.parametrize("job_id", ["nobody", SECOND.replace("0199", "0198")])
def test_jobs_that_are_not_there_are_status_5(service: Service, verb: str, job_id: str) -> None:
    ended = aegis("jobs", verb, job_id)

    assert isinstance(ended.exception, NotFound) or ended.exit_code == 5


@pytest.mark.parametrize("kind", [Forbidden, Unauthenticated])
def test_a_key_that_may_not_ends_all_of_it(service: Service, kind: type[AegisError]) -> None:
    refused = {"type": f"urn:aegis:problem:{kind.code}", "detail": "no"}
    for method in ("GET", "DELETE"):
        service.tell(method, f"/v1/jobs/{FIRST}", refused, status=403)
    service.tell("POST", f"/v1/jobs/{FIRST}/retry", refused, status=403)

    for verb in ("cancel", "retry", "watch"):
        assert isinstance(aegis("jobs", verb, FIRST, SECOND).exception, kind)


def test_watched_jobs_are_followed_and_one_that_fails_is_status_1(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "events", lambda *_: iter(()))
    service.tell("GET", f"/v1/jobs/{FIRST}", job(0), job(0, "succeeded", result={}))
    service.tell("GET", f"/v1/jobs/{SECOND}", job(1, "failed", error={"detail": "broken"}))

    watched = aegis("jobs", "watch", FIRST, SECOND)

    assert watched.exit_code == 1
    assert f"{FIRST} succeeded" in watched.stdout
    assert f"job {SECOND} ended as failed: broken" in watched.stderr


def test_a_watched_list_prints_each_change_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    page = {"items": [job(0)], "next": None}
    service.tell("GET", "/v1/jobs", page, page, {"items": [job(0, "succeeded")], "next": None})
    looks = count()

    def nap(_seconds: float) -> None:
        if next(looks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(watch, "sleep", nap)

    watched = aegis("jobs", "watch")

    assert watched.exit_code == 130
    assert watched.stdout.splitlines() == [f"{FIRST} ingest running embed 1/4", f"{FIRST} ingest succeeded"]


def test_documents_are_listed_and_shown(service: Service) -> None:
    listed = aegis("documents", "--collection", "handbook")

    assert listed.exit_code == 0, listed.output
    assert "guides/vpn.md" in listed.stdout
    assert json.loads(aegis("documents", "--json").stdout) == [DOCUMENT]
    shown = aegis("documents", "show", "guides/v", "--collection", "handbook")
    assert "3 chunks, 40 tokens" in shown.stdout
    assert "lang" in shown.stdout
    assert all(each[2].get("collection") == "handbook" for each in service.asked if "guides" in each[1])


def test_a_document_that_is_named_in_full_is_deleted_and_a_beginning_needs_a_yes(service: Service) -> None:
    refused = aegis("documents", "delete", "guides/v")

    assert refused.exit_code == 2
    assert "guides/vpn.md" in refused.output
    assert service.sent("DELETE") == []

    assert aegis("documents", "delete", "guides/v", "--yes").stdout == "guides/vpn.md deleted\n"
    assert aegis("documents", "delete", "guides/vpn.md").exit_code == 0
    assert service.sent("DELETE") == ["/v1/documents/guides%2Fvpn.md"] * 2
    assert aegis("documents", "delete", "nobody").exit_code == 5


def test_collections_are_listed_shown_and_made(service: Service) -> None:
    service.tell("PUT", "/v1/collections/new", {**COLLECTION, "name": "new"}, status=201)

    assert "handbook" in aegis("collections").stdout
    assert "m (8 dimensions)" in aegis("collections", "show", "hand").stdout
    assert json.loads(aegis("collections", "list", "-o", "jsonl").stdout) == COLLECTION
    assert aegis("collections", "create", "new").exit_code == 0
    assert service.sent("PUT") == ["/v1/collections/new"]


def test_a_collection_is_deleted_by_its_whole_name_and_a_yes(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(aegis("collections", "delete", "hand", "--yes").exception, NotFound)
    assert aegis("collections", "delete", "handbook").exit_code == 2
    monkeypatch.setattr(batch, "on_a_terminal", lambda: True)
    refused = aegis("collections", "delete", "handbook", input="n\n")
    assert refused.exit_code == 1
    assert "Delete handbook with 12 documents?" in refused.output
    assert service.sent("DELETE") == []

    assert aegis("collections", "delete", "handbook", input="y\n").exit_code == 0
    assert service.sent("DELETE") == ["/v1/collections/handbook"]


@pytest.fixture
def found(service: Service) -> Callable[[Json], None]:
    def end(ended: Json) -> None:
        service.tell("POST", "/v1/queries", {"job_id": FIRST}, status=202)
        service.tell("GET", f"/v1/jobs/{FIRST}", job(0, **ended))

    return end


def test_a_search_generates_nothing_and_shows_passages(
    service: Service, found: Callable[[Json], None]
) -> None:
    found({"state": "succeeded", "result": {"answer": "", "citations": [], "hits": [HIT]}})

    shown = aegis(
        "search", "which", "key", "--collection", "handbook", "-n", "3", "--filter", '{"lang": "en"}'
    )

    assert shown.exit_code == 0, shown.output
    assert "[1] VPN" in shown.stdout
    assert "guides/vpn.md" in shown.stdout
    asked = next(body for method, _, _, body in service.asked if method == "POST")
    assert asked == {
        "question": "which key", "generate": False, "collection": "handbook", "top_n": 3,
        "filter": {"lang": "en"},
    }  # fmt: skip
    assert json.loads(aegis("search", "key", "-o", "json").stdout)["hits"] == [HIT]
    assert json.loads(aegis("search", "key", "-o", "jsonl").stdout) == HIT
    assert aegis("search", "key", "-o", "tsv").stdout.splitlines()[1].endswith("VPN\t\t0\t9\tUse the\\tkey")
    assert aegis("search", "key", "--filter", "{").exit_code == 2


def test_a_search_that_fails_says_why(found: Callable[[Json], None]) -> None:
    found({"state": "failed", "error": {"detail": "the engine is away"}})

    failed = aegis("search", "key")

    assert isinstance(failed.exception, AegisError)
    assert str(failed.exception) == "the search ended as failed: the engine is away"


@pytest.mark.parametrize(("ready", "status"), [(True, 0), (False, 1)])
def test_the_status_names_each_part(service: Service, ready: bool, status: int) -> None:
    service.tell("GET", "/health", {"status": "ok", "version": "1.2", "environment": "lab", "components": {}})
    parts = {"broker": {"ready": ready, "essential": True, "detail": {}}}
    service.tell("GET", "/health/ready", {"status": "ready" if ready else "unready", "components": parts})

    shown = aegis("status")

    assert shown.exit_code == status
    assert "Aegis 1.2 (lab) at http://api.test is " in shown.stdout
    assert ("missing" in shown.stdout) is not ready
    assert json.loads(aegis("status", "-o", "json").stdout)["components"] == parts
    assert json.loads(aegis("status", "-o", "jsonl").stdout)["part"] == "broker"


def test_what_a_server_answers_steers_nothing_in_lines_either(service: Service) -> None:
    hostile = "0199\x1b]0;owned\x07\u202e"
    service.tell("GET", "/v1/jobs", {"items": [{**job(0), "id": hostile}], "next": None})
    service.tell("DELETE", "/v1/jobs/0199%1B%5D0%3Bowned%07%E2%80%AE", job(0), status=202)
    health = {"status": "ok", "version": hostile, "environment": hostile, "components": {}}
    service.tell("GET", "/health", health)
    service.tell("GET", "/health/ready", {"status": hostile, "components": {}})

    written = [aegis(*words).output for words in (("jobs", "cancel", "0199"), ("status",))]

    assert r"0199\x1b]0;owned\x07\u202e cancelled" in written[0]
    assert r"Aegis 0199\x1b" in written[1]
    assert {"\x1b", "\x07", "\u202e"}.isdisjoint("".join(written))


def test_two_forms_at_once_are_refused(service: Service) -> None:
    assert aegis("documents", "--json", "-o", "tsv").exit_code == 2
    assert service.asked == []
