"""``aegis ask`` as somebody types it, on a terminal and in a pipe."""

import io
import json
import re
from collections.abc import Callable, Iterator

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.client.client import Client
from cli.commands import answers, ask
from cli.main import app
from rag.web.jsontypes import Json

CITATION: Json = {
    "n": 1, "document_id": f"guides/{'very-' * 20}long.md", "title": "The guide", "page": 3, "score": 0.9,
    "headings": ["The guide", "A heading of some length", "Another one that is rather long, too", "And more"],
    "text": "The range is limited by the battery. " * 20,
}  # fmt: skip
RESULT: Json = {
    "answer": "The range is limited by the battery, and by the weather in the winter months of the year. [1]",
    "citations": [CITATION], "hits": [CITATION], "generator": "extractive", "timings_ms": {"total": 12.0},
}  # fmt: skip
NOT_FOUND: Json = {**RESULT, "answer": "Not found in the documents.", "citations": [], "pending_documents": 7}


class Api:
    """Answers each question with ``result``, in pieces before."""

    def __init__(self, result: Json = RESULT) -> None:
        self.result, self.asked, self.calls = result, "", list[tuple[str, str]]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append((request.method, request.url.path))
        if request.method == "POST":
            self.asked = json.loads(request.read())["question"]
            return httpx.Response(202, json={"job_id": "1"})
        if request.method == "DELETE":
            return httpx.Response(202, json={})
        if request.url.path.endswith("/events"):
            return httpx.Response(200, content=b"".join(self._events()))
        return httpx.Response(200, json={"state": "succeeded", "result": self.result})

    def _events(self) -> Iterator[bytes]:
        answer = self.result["answer"]
        pieces = [answer[at : at + 7] for at in range(0, len(answer), 7)]
        for number, (kind, data) in enumerate(
            [*(("token", {"text": p}) for p in pieces), ("result", self.result)]
        ):
            yield f"id: 1-{number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


@pytest.fixture
def aegis(monkeypatch: pytest.MonkeyPatch) -> Callable[..., "object"]:
    def run(api: Api, *arguments: str, typed: str | None = None) -> "object":
        client = Client("http://api.test", transport=httpx.MockTransport(api))
        monkeypatch.setattr("cli.client.client.connect", lambda *_: client)
        return CliRunner().invoke(app, ["ask", *arguments], input=typed)

    return run


def shown(result: Json, *, terminal: bool) -> str:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=80, no_color=True, highlight=False)
    with Client("http://api.test", transport=httpx.MockTransport(Api(result))) as client:
        answers.show_as_it_comes(console, client, "1")
    return re.sub(r"\x1b\[[0-9;]*m", "", written.getvalue())


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        (["why", "is", "the", "sky", "blue?"], None),
        (["why is the sky blue?"], None),
        (["-"], "why is the sky blue?\n"),
        ([], " why is the sky blue?\n"),
    ],
)
def test_words_are_joined_and_a_pipe_is_read(aegis, arguments: list[str], typed: str | None) -> None:
    api = Api()

    done = aegis(api, *arguments, typed=typed)

    assert done.exit_code == 0, done.output
    assert api.asked == "why is the sky blue?"


@pytest.mark.parametrize(("arguments", "typed"), [([], ""), (["-"], " \n"), ([" "], None)])
def test_no_question_is_refused(aegis, arguments: list[str], typed: str | None) -> None:
    assert aegis(Api(), *arguments, typed=typed).exit_code == 2


def test_bytes_that_are_no_text_are_asked_all_the_same(aegis) -> None:
    api = Api()

    assert aegis(api, "what is \udcff").exit_code == 0
    assert api.asked == "what is \ufffd"


def test_programs_get_the_whole_result(aegis) -> None:
    assert json.loads(aegis(Api(), "why", "-o", "json").stdout) == RESULT


def test_on_a_terminal_everything_is_within_80_columns() -> None:
    lines = shown(RESULT, terminal=True).splitlines()

    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("The range is limited by the battery, and by the weather")
    assert lines[1] == "the year. [1]"
    where = next(number for number, line in enumerate(lines) if line.startswith("[1] The guide › A heading"))
    assert lines[where + 1].startswith("    ")


def test_in_a_pipe_each_fact_is_one_line() -> None:
    lines = shown(RESULT, terminal=False).splitlines()

    assert lines[0] == RESULT["answer"]
    assert lines[2].startswith("[1] The guide › A heading")
    assert lines[2].endswith("And more, page 3")
    assert lines[3] == f"    {CITATION['document_id']}"
    assert lines[4].startswith("    The range is limited")


def test_the_answer_is_written_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80, no_color=True, highlight=False)
    seen: list[str] = []

    def answered(_client: Client, _job: str, piece: Callable[[str], None]) -> Json:
        for text in ("The range ", "is limited "):
            piece(text)
            seen.append(written.getvalue())
        return {**RESULT, "answer": "The range is limited "}

    monkeypatch.setattr(answers, "follow_answer", answered)
    answers.show_as_it_comes(console, Client("http://api.test"), "1")

    assert seen == ["The range", "The range is limited"]
    assert written.getvalue().count("The range is limited\n") == 1


@pytest.mark.parametrize(
    ("path", "opens"),
    [
        ("/console/document.html#document=a", "http://api.test/console/document.html#document=a"),
        ("/a\x1b[31m", None),
        ("//evil.example\x07", None),
        ("javascript:alert(1)", None),
    ],
)
def test_a_source_is_a_link_to_its_passage_on_a_terminal(path: str, opens: str | None) -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80, color_system="truecolor")

    answers.show_source(console, {**CITATION, "url": path}, "http://api.test")

    links = re.findall(r"\x1b\]8;[^;]*;([^\x1b]+)\x1b", written.getvalue())
    assert set(links) == ({opens} if opens else set())


def test_what_was_not_found_may_be_on_its_way() -> None:
    text = shown(NOT_FOUND, terminal=False)

    assert "Not found in the documents." in text
    assert "7 documents" in text


def test_ctrl_c_cancels_the_question(aegis, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ask, "show_as_it_comes", pressed)
    api = Api()

    done = aegis(api, "why")

    assert done.exit_code == 130
    assert api.calls[-1] == ("DELETE", "/v1/jobs/1")
    assert "Traceback" not in done.output
