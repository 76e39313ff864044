"""What ``aegis ask`` says beside an answer."""

import io

import pytest
from rich.console import Console

from cli.client.client import Client
from cli.commands.answers import show_as_it_comes
from rag.model import Json

NOTHING: Json = {
    "answer": "Not found in the documents.",
    "citations": [],
    "hits": [],
    "generator": "extractive",
    "timings_ms": {"total": 12.0},
}


class Answering(Client):
    """Answers every question with the same result."""

    def __init__(self, result: Json) -> None:
        self.result = result

    def events(self, job_id: str):
        yield "token", {"text": self.result["answer"]}

    def wait_for_job(self, job_id: str) -> Json:
        return {"state": "succeeded", "result": self.result}


def test_why_nothing_was_found_is_said() -> None:
    out = io.StringIO()
    told = {"reason": "differs_in", "message": "No passage has AQ-400.\x1b[2J", "lacking": ["AQ-400"]}

    show_as_it_comes(Console(file=out, width=200), Answering({**NOTHING, "not_found": told}), "job")

    assert "No passage has AQ-400." in out.getvalue()
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"pending_documents": 1}, "1 document of the collection is still on the way"),
        ({"pending_documents": 12}, "12 documents of the collection are still on the way"),
        ({"pending_documents": 0}, None),
        ({}, None),
    ],
)
def test_what_was_not_found_may_be_on_its_way(more: Json, said: str | None) -> None:
    out = io.StringIO()

    show_as_it_comes(Console(file=out, width=200), Answering({**NOTHING, **more}), "job")

    assert (said or "on the way") in out.getvalue() if said else "on the way" not in out.getvalue()
