"""What an ingestion sends, in what order it hears of jobs, and how it ends when something is refused."""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from cli.client.client import Client
from cli.ingestion import ingestion
from cli.ingestion.ingestion import Ingestion, Outcome, Plan, Watcher, ingest
from cli.ingestion.journal import Journal
from cli.ingestion.sources import Link, Source
from cli.ingestion.walk import files
from rag.errors import AegisError, Overloaded, Unauthenticated, Unavailable
from rag.web.jsontypes import Json
from tests.unit.cli.ingestion.ingestapi import Api, problem

DEADLINE = 60.0


@pytest.fixture(autouse=True)
def _short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "sleep", lambda client, seconds: client._stopped.wait(min(seconds, 0.01)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "documents"
    for number in range(30):
        _write(made / f"{number:02}.md", f"text {number}")
    return made


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _client(api: Api) -> Client:
    return Client("http://api.test", transport=httpx.MockTransport(api))


def run(
    api: Api, found: Sequence[Source], journal: Journal | None = None, plan: Plan | None = None
) -> Ingestion:
    with _client(api) as client:
        made = Ingestion(client, plan or Plan(), journal=journal)
        made.run(found)
    return made


def journal_at(tmp_path: Path) -> Journal:
    return Journal.at(tmp_path / "state", "http://api.test", None)


def test_every_file_has_an_outcome_with_its_reason(tmp_path: Path) -> None:
    for name in ("a.md", "bad.md", "late.md"):
        _write(tmp_path / name, name)
    broken = {"type": "urn:aegis:problem:unreadable-document", "title": "No", "detail": "encrypted"}
    api = Api(
        refuse=lambda name: problem(415, "unsupported-media", "a PNG") if name == "bad.md" else None,
        end=lambda name: broken if name == "late.md" else {"chunks": 2},
    )
    seen: list[Outcome] = []

    with _client(api) as client:
        outcomes = ingest(client, files([tmp_path]), None, wait=True, done=seen.append)

    told = {outcome.name: (outcome.reason, outcome.code) for outcome in outcomes}
    assert told == {
        "a.md": (None, ""),
        "bad.md": ("a PNG", "unsupported-media"),
        "late.md": ("encrypted", "unreadable-document"),
    }
    assert seen == outcomes


def test_a_document_that_takes_long_holds_no_other_up(folder: Path) -> None:
    ended: list[str] = []
    others_are_in = threading.Event()

    def end(name: str) -> Json | None:
        return {"chunks": 2} if name != "00.md" or others_are_in.is_set() else None

    def done(outcome: Outcome) -> None:
        ended.append(outcome.name)
        if len(ended) == 29:
            others_are_in.set()

    with _client(Api(end=end)) as client:
        ingest(client, files([folder]), None, wait=True, done=done)

    assert ended[-1] == "00.md"
    assert len(ended) == 30


def test_only_so_many_documents_are_on_their_way_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "AHEAD", 5)
    api, ended, most = Api(), [], 0

    def done(outcome: Outcome) -> None:
        nonlocal most
        most = max(most, len(api.posted) - len(ended))
        ended.append(outcome)

    with _client(api) as client:
        ingest(client, files([folder]), None, wait=True, done=done)

    assert len(ended) == 30
    assert most <= 5


def test_four_are_sent_at_once(folder: Path) -> None:
    for number in range(5):
        _write(folder / f"{number:02}.md", "too long for a batch " * 4000)
    together = threading.Barrier(4)

    class Slow(Api):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and 0 < len(self.posted) < 5:  # the first goes alone
                together.wait(DEADLINE)
            return super().__call__(request)

    assert len(run(Slow(), files([folder])[:5]).outcomes) == 5


def test_small_files_go_together_and_each_has_its_own_outcome(folder: Path) -> None:
    _write(folder / "long.md", "too long for a batch " * 4000)
    busy = threading.Event()

    class Slow(Api):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and self.posted:
                busy.wait(0.2)  # meanwhile the others queue up
            return super().__call__(request)

    api = Slow(refuse=lambda name: problem(422, "invalid-request", "no") if name == "29.md" else None)

    made = run(api, files([folder]))

    assert {one.name: one.reason for one in made.outcomes if one.reason} == {"29.md": "no"}
    assert len(made.outcomes) == 31
    assert max(api.batches) > 5
    assert "long.md" in {name for name, _ in api.posted}


def test_an_api_without_batches_gets_one_file_at_a_time(folder: Path) -> None:
    class Earlier(Api):
        def _batch(self, request: httpx.Request) -> httpx.Response:
            self.batches.append(0)
            return problem(404, "no-such-path", "There is nothing at this path")

    api = Earlier()

    made = run(api, files([folder]))

    assert len([one for one in made.outcomes if not one.reason]) == len(api.posted) == 30
    assert len(api.batches) <= ingestion.UPLOADS_AT_ONCE


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(401, "unauthenticated", Unauthenticated), (403, "quota-exceeded", AegisError), (403, "", AegisError)],
)
def test_the_first_refusal_of_a_key_ends_it(
    folder: Path, status: int, code: str, kind: type[AegisError]
) -> None:
    refused: list[str] = []

    def refuse(name: str) -> httpx.Response:
        refused.append(name)
        return problem(status, code, "not you")

    with pytest.raises(kind, match="not you"):
        run(Api(refuse=refuse), files([folder]))

    assert refused == ["00.md"]


def test_a_key_that_is_revoked_meanwhile_ends_it_at_once(folder: Path) -> None:
    refused: list[str] = []

    def refuse(name: str) -> httpx.Response | None:
        if name < "10":
            return None
        refused.append(name)
        return problem(401, "unauthenticated", "not you any more")

    with pytest.raises(Unauthenticated):
        run(Api(refuse=refuse), files([folder]))

    assert len(refused) <= ingestion.UPLOADS_AT_ONCE


def test_what_is_no_api_ends_it_too(folder: Path) -> None:
    with pytest.raises(AegisError, match="is this its address"):
        run(Api(refuse=lambda _: httpx.Response(501, text="<html>")), files([folder]))


def test_nobody_at_the_address_is_said_at_once(folder: Path) -> None:
    def refuse(_name: str) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    began = time.monotonic()
    with pytest.raises(Unavailable, match="refused"):
        run(Api(refuse=refuse), files([folder]))

    assert time.monotonic() - began < DEADLINE


def test_an_api_that_restarts_meanwhile_loses_no_document(folder: Path) -> None:
    lost: set[str] = set()

    def refuse(name: str) -> httpx.Response | None:
        if name > "10" and name not in lost:
            lost.add(name)
            raise httpx.ConnectError("connection refused")
        return None

    made = run(Api(refuse=refuse), files([folder]))

    assert [outcome.reason for outcome in made.outcomes] == [None] * 30
    assert lost


def test_a_file_that_grows_while_it_is_sent_fails_alone(folder: Path) -> None:
    def refuse(name: str) -> httpx.Response | None:
        if name == "04.md":
            raise httpx.LocalProtocolError("Too much data for declared Content-Length")
        return None

    made = run(Api(refuse=refuse), files([folder]))

    assert [outcome.name for outcome in made.outcomes if outcome.reason] == ["04.md"]


def test_an_api_that_is_full_is_waited_for_and_that_is_told(folder: Path) -> None:
    told: list[tuple[AegisError, float]] = []
    full = iter([problem(429, "overloaded", "full", **{"Retry-After": "7"})])

    with _client(Api(refuse=lambda _: next(full, None))) as client:
        client.delayed = lambda error, seconds: told.append((error, seconds))
        Ingestion(client, Plan()).run(files([folder])[:1])

    ((error, seconds),) = told
    assert isinstance(error, Overloaded)
    assert seconds == 7.0


def test_the_same_command_again_sends_what_has_changed_alone(folder: Path, tmp_path: Path) -> None:
    api = Api()
    run(api, files([folder]), journal_at(tmp_path))
    _write(folder / "07.md", "another text")

    again = run(api, files([folder]), journal_at(tmp_path))

    assert [name for name, _ in api.posted[30:]] == ["07.md"]
    assert sum(bool(outcome.result["unchanged"]) for outcome in again.outcomes) == 29


def test_a_document_that_was_deleted_or_replaced_meanwhile_is_sent_again(
    folder: Path, tmp_path: Path
) -> None:
    api = Api()
    run(api, files([folder]), journal_at(tmp_path))
    del api.documents["03.md"]
    api.documents["04.md"] = 2

    run(api, files([folder]), journal_at(tmp_path))

    assert sorted(name for name, _ in api.posted[30:]) == ["03.md", "04.md"]


def test_another_installation_at_the_same_address_gets_everything(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cli.ingestion.journal.time", lambda: 1_000_000_000.0
    )  # long before its documents were changed
    run(Api(), files([folder]), journal_at(tmp_path))
    other = Api(documents={f"{number:02}.md": 1 for number in range(30)})

    run(other, files([folder]), journal_at(tmp_path))

    assert len(other.posted) == 30


def test_again_sends_everything(folder: Path, tmp_path: Path) -> None:
    api = Api()
    run(api, files([folder]), journal_at(tmp_path))

    run(api, files([folder]), journal_at(tmp_path), Plan(again=True))

    assert len(api.posted) == 60
    assert len({key for _, key in api.posted}) == 60


def test_what_failed_is_tried_again(folder: Path, tmp_path: Path) -> None:
    api = Api(end=lambda name: {"detail": "no"} if name == "05.md" else {"chunks": 2})
    run(api, files([folder]), journal_at(tmp_path))
    api.end = lambda _: {"chunks": 2}
    api.jobs = {job_id: name for job_id, name in api.jobs.items() if name != "05.md"}  # forgotten by now

    again = run(api, files([folder]), journal_at(tmp_path))

    assert [name for name, _ in api.posted[30:]] == ["05.md"]
    assert all(outcome.reason is None for outcome in again.outcomes)


class Interrupting(Watcher):
    """Presses Ctrl-C when so many are in."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    def end(self, outcome: Outcome) -> None:
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt


def test_ctrl_c_leaves_what_was_accepted_and_the_same_command_goes_on(folder: Path, tmp_path: Path) -> None:
    api = Api(end=lambda name: {"chunks": 2} if name < "03" else None)
    with _client(api) as client:
        stopped = Ingestion(client, Plan(), journal=journal_at(tmp_path), watcher=Interrupting(3))
        with pytest.raises(KeyboardInterrupt):
            stopped.run(files([folder]))
    accepted = {name for name, _ in api.posted}
    assert set(stopped.under_way.values()) == {
        one for one in files([folder]) if one.document_id in accepted - {"00.md", "01.md", "02.md"}
    }

    api.end = lambda _: {"chunks": 2}
    again = run(api, files([folder]), journal_at(tmp_path))

    assert [outcome.reason for outcome in again.outcomes] == [None] * 30
    assert sorted(name for name, _ in api.posted) == [f"{number:02}.md" for number in range(30)]


def test_a_submit_whose_answer_was_lost_makes_one_job(folder: Path, tmp_path: Path) -> None:
    class Losing(Api):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = super().__call__(request)
            if request.method == "POST" and len(self.posted) == 1:
                raise httpx.ReadError("cut")
            return answer

    api, one = Losing(), files([folder])[:1]
    with pytest.raises(Unavailable, match="cut"):
        run(api, one, journal_at(tmp_path))

    run(api, one, journal_at(tmp_path))

    assert len(api.posted) == 2
    assert len(api.jobs) == 1


class Impatient(Watcher):
    def tick(self) -> None:
        raise KeyboardInterrupt


def test_an_address_is_sent_each_time_but_not_while_it_is_on_its_way(tmp_path: Path) -> None:
    api = Api(end=lambda _: None)
    link = [Link("https://example.com/a.html")]
    with _client(api) as client:
        stopped = Ingestion(client, Plan(), journal=journal_at(tmp_path), watcher=Impatient())
        with pytest.raises(KeyboardInterrupt):
            stopped.run(link)
    looks = iter([None, None])

    api.end = lambda _: next(looks, {"chunks": 1})
    run(api, link, journal_at(tmp_path))
    assert [name for name, _ in api.posted] == ["https://example.com/a.html"]

    run(api, link, journal_at(tmp_path))
    assert len(api.posted) == 2


def test_of_two_files_with_one_id_the_second_is_refused_and_one_file_comes_once(tmp_path: Path) -> None:
    _write(tmp_path / "x" / "a.md", "x")
    _write(tmp_path / "y" / "a.md", "y")
    (tmp_path / "z").symlink_to(tmp_path / "x")
    api = Api()

    made = run(api, files([tmp_path / "x", tmp_path / "y", tmp_path / "z"]))

    assert [name for name, _ in api.posted] == ["a.md"]
    refused = [outcome for outcome in made.outcomes if outcome.reason]
    assert len(made.outcomes) == 2
    assert [(one.source.name, one.code) for one in refused] == [(str(tmp_path / "y" / "a.md"), "same-id")]


def test_without_waiting_it_ends_once_all_are_accepted(folder: Path) -> None:
    made = run(Api(end=lambda _: None), files([folder]), plan=Plan(wait=False))

    assert len({(outcome.job or {})["job_id"] for outcome in made.outcomes}) == 30
    assert not made.under_way


def test_a_file_whose_name_is_no_utf_8_is_sent_like_any_other(tmp_path: Path) -> None:
    _write(tmp_path / "documents" / os.fsdecode(b"caf\xe9.md"), "text")
    _write(tmp_path / "documents" / "other.md", "text")

    ended = run(Api(), files([tmp_path / "documents"]))

    assert [one.reason for one in ended.outcomes] == [None, None]


def test_an_error_that_nobody_foresaw_is_an_outcome_of_its_source(folder: Path) -> None:
    def refuse(name: str) -> None:
        if name == "03.md":
            raise ArithmeticError("of a far corner")

    ended = run(Api(refuse=refuse), files([folder]))

    failed = {one.name: one.reason for one in ended.outcomes if one.reason}
    assert failed == {"03.md": "ArithmeticError: of a far corner"}
    assert len(ended.outcomes) == 30
