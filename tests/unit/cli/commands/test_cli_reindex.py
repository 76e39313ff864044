"""``aegis reindex``: what it sends, shows, and refuses."""

import re
from collections.abc import Iterator

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from cli.client.client import Client
from cli.commands import reindex
from cli.commands.call import Call
from cli.commands.follow import follow
from rag.errors import AegisError
from rag.model import Json

RESULT = {
    "collection": "docs[1]",
    "embedding_model": "new",
    "dimension": 64,
    "documents": 3,
    "chunks": 9,
    "sentences": 8,
    "recall_before": 0.9,
    "recall_after": 0.95,
    "mrr_before": 0.7,
    "mrr_after": 0.8,
    "overlap": 0.5,
}
LAYOUTS = [
    {"embedding_model": "old", "dimension": 384, "state": "serving"},
    {"embedding_model": "new", "dimension": 64, "state": "kept"},
]


COLLECTION = {"documents": 3, "chunks": 9, "created_at": "2026-11-23T10:00:00Z"}


class Api(Client):
    """One reindex, which is seen at work once and then in ``end``."""

    def __init__(self, **end: object) -> None:
        self.calls: list[tuple[object, ...]] = []
        self._end = end

    def close(self) -> None: ...

    def reindex(self, collection: str, **options: object) -> Json:
        self.calls.append(("reindex", collection, {k: v for k, v in options.items() if v is not None}))
        return {"job_id": "1"}

    def roll_back(self, collection: str) -> Json:
        self.calls.append(("rollback", collection))
        return {**COLLECTION, "name": collection, "layouts": LAYOUTS}

    def finish(self, collection: str) -> Json:
        self.calls.append(("finish", collection))
        return {**COLLECTION, "name": collection, "layouts": LAYOUTS[:1]}

    def events(self, job_id: str) -> Iterator[tuple[str, Json]]:
        self.calls.append(("events", job_id))
        yield from ()

    def job(self, job_id: str, *, wait: float = 0) -> Json:
        self.calls.append(("job", job_id))
        progress = {"done": 1, "total": 3}
        first = self.calls.count(("job", job_id)) == 1
        state = {"state": "running", "stage": "reembed"} if first else self._end
        return {"kind": "reindex", "progress": progress, "stage": "compare", **state}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api(state="succeeded", result=RESULT)
    monkeypatch.setattr(Call, "client", lambda _: made)
    return made


def run(*arguments: str) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(reindex.reindex)
    return CliRunner().invoke(app, list(arguments))


def test_it_follows_the_job_and_shows_both_models(api: Api) -> None:
    shown = run("--model", "new", "--dimension", "64", "--collection", "docs", "--force")

    assert shown.exit_code == 0, shown.output
    assert api.calls[0] == ("reindex", "docs", {"model": "new", "dimension": 64, "force": True})
    assert api.calls.count(("job", "1")) == 2
    text = " ".join(shown.output.split())
    assert "docs[1] is searched by new (64 dimensions): 3 documents, 9 chunks" in text
    assert "95% (before: 90%)" in text


def test_what_is_not_named_is_left_to_the_api(api: Api) -> None:
    run("--collection", "docs", "--no-wait")

    assert api.calls == [("reindex", "docs", {"force": False})]


@pytest.mark.parametrize("call", ["rollback", "finish"])
def test_a_change_is_taken_back_or_made_final(api: Api, call: str) -> None:
    shown = run(f"--{call}", "--collection", "docs")

    assert api.calls == [(call, "docs")]
    assert re.search("serving +old \\(384 dimensions\\)", shown.output)


@pytest.mark.parametrize("options", [("--rollback", "--finish"), ("--rollback", "--model", "new")])
def test_what_does_not_go_together_is_refused(api: Api, options: tuple[str, ...]) -> None:
    assert run(*options).exit_code == 2
    assert api.calls == []


def test_a_reindex_that_fails_says_why() -> None:
    failed = Api(state="failed", error={"detail": "Nothing was switched"})

    with pytest.raises(AegisError, match="ended as failed: Nothing was switched"):
        follow(failed, Console(quiet=True), "1")


def test_a_collection_without_documents_has_nothing_to_compare() -> None:
    assert "\n" not in reindex.summary({**RESULT, "recall_after": None})
