"""No secret and no text of a document or question is in what any process writes, not even at DEBUG level.

Secrets and texts are sent through ingestion, questions and failures of both. Then all that the processes have
written is searched for them, and Flower's pages and the metrics too.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from tests import jinaserver
from tests.integration.modelserver import Script, scripted, status, stream
from tests.jinaserver import Jina
from tests.system.running import Stack, stack_in, until
from tests.system.service import finished, new_collection

API_KEY, JINA_KEY, MODEL_KEY = "seeded-api-key-1f6b", "jina_seeded-key-77c0", "seeded-model-key-90ab"
MESSAGE_KEY, BACKUP_KEY, WRONG_KEY = (
    "seeded-message-key-" + "5" * 24,
    "seeded-backup-key-44d1",
    "seeded-wrong-key-2",
)
FLOWER_PASSWORD = "seeded-flower-password"
DOCUMENT = "The zebrafish Quillfeather swims only on moonlit Wednesdays."
QUESTION = "When does the xylophonist Quillfeather swim, if ever?"
ANSWER = "On moonlit nights of vermilion plankton."
LANES = ("parse", "embed", "embed-query", "index", "rerank", "generate")
SECRETS = (API_KEY, JINA_KEY, MODEL_KEY, MESSAGE_KEY, BACKUP_KEY, WRONG_KEY, FLOWER_PASSWORD)
TEXTS = ("zebrafish", "Quillfeather", "moonlit Wednesdays", "xylophonist", "vermilion")

_FIELDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_LEVELS = {"DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL"}


@dataclass
class Installation:
    stack: Stack
    jina: Jina
    model: Script
    http: httpx.Client

    def outputs(self) -> dict[str, str]:
        """All that the processes have written, by where it is."""
        files = [*(self.stack.home / "logs").iterdir(), self.stack.home / "printed.txt"]
        return {path.name: path.read_text("utf-8", "replace") for path in files}


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with (
        TemporaryDirectory(prefix="aegis-system-") as home,
        jinaserver.serving(Jina(key=JINA_KEY)) as jina,
        scripted() as model,
    ):
        keys = {API_KEY: {"name": "ci", "role": "admin", "collections": ["*"]}}
        stack = stack_in(
            Path(home),
            LOG_FORMAT="json", LOG_LEVEL="DEBUG", API_KEYS=json.dumps(keys), MESSAGE_KEY=MESSAGE_KEY,
            BACKUP_KEY=BACKUP_KEY, FLOWER_BASIC_AUTH=f"operator:{FLOWER_PASSWORD}",
            JINA_API_KEY=JINA_KEY, JINA_BASE_URL=jina.url,
            GENERATOR="openai", GENERATOR_URL=model.url, GENERATOR_API_KEY=MODEL_KEY,
            MAX_ATTEMPTS="2",
        ).start()  # fmt: skip
        try:
            until(lambda: "the stack is ready" in stack.printed or stack.ended(), 180.0)
            assert not stack.ended(), stack.printed
            headers = {"Authorization": f"Bearer {API_KEY}"}
            with httpx.Client(base_url=stack.url, headers=headers, timeout=60) as http:
                yield Installation(stack, jina, model, http)
        finally:
            stack.stop()


def ingest(http: httpx.Client, collection: str, name: str, data: bytes) -> dict[str, Any]:
    answer = http.post("/v1/documents", files={"file": (name, data)}, data={"collection": collection})
    assert answer.status_code == 202, answer.text
    return finished(http, answer.json()["job_id"])


def ask(http: httpx.Client, collection: str) -> dict[str, Any]:
    answer = http.post("/v1/queries", json={"question": QUESTION, "collection": collection})
    assert answer.status_code == 202, answer.text
    return finished(http, answer.json()["job_id"])


@pytest.fixture(scope="module")
def worked(installation: Installation) -> Installation:
    """The installation after ingestions, questions, and failures of each kind."""
    http, jina, model, collection = installation.http, installation.jina, installation.model, new_collection()

    whole = ingest(http, collection, "fish.txt", f"{DOCUMENT}\n".encode() * 20)
    assert whole["state"] == "succeeded", whole
    model.answers.append(stream(f"{ANSWER} [1]"))
    answered = ask(http, collection)
    assert answered["state"] == "succeeded", answered
    assert model.bodies, "the question went to the model"

    model.answers += [status(500, json.dumps({"error": f"cannot answer {QUESTION}"}).encode())] * 60
    refused = ask(http, new_collection_of(http))
    assert refused["state"] == "dead", refused
    assert "xylophonist" in json.dumps(refused["error"]), "who may read the job sees what the server said"

    broken = f'\x00\xff {{"{DOCUMENT}": [<{DOCUMENT}'.encode("latin-1")
    for name in ("broken.json", "broken.csv", "broken.docx", "broken.eml", "broken.pdf", "broken.html"):
        http.post("/v1/documents", files={"file": (name, broken)}, data={"collection": collection})
    jina.behaviours += ["402:echo"] * 8
    failed = ingest(http, collection, "other.txt", f"Again. {DOCUMENT}".encode())
    assert failed["state"] == "failed", failed
    assert "zebrafish" in json.dumps(failed["error"])

    assert http.post("/v1/queries", json={"question": [QUESTION]}).status_code == 422
    wrong = {"Authorization": f"Bearer {WRONG_KEY}"}
    assert http.post("/v1/queries", json={"question": QUESTION}, headers=wrong).status_code == 401
    return installation


def new_collection_of(http: httpx.Client) -> str:
    """A collection of its own with the document, so that no answer comes from a cache."""
    collection = new_collection()
    assert ingest(http, collection, "fish.txt", DOCUMENT.encode())["state"] == "succeeded"
    return collection


def assert_private(where: str, written: str) -> None:
    for secret in (*SECRETS, *TEXTS):
        assert secret not in written, (where, [line for line in written.splitlines() if secret in line][:3])


def test_no_process_writes_a_secret_or_a_text(worked: Installation) -> None:
    outputs = worked.outputs()

    assert {
        "api.log",
        "audit.log",
        "worker-parse+index.log",
        "worker-embed.log",
        "worker-generate.log",
    } <= outputs.keys()
    for name, written in outputs.items():
        assert_private(name, written)


def test_a_made_key_is_in_no_log(worked: Installation) -> None:
    body = {"name": "made", "role": "read", "collections": ["*"]}
    made = worked.http.post("/v1/keys", json=body)
    assert made.status_code == 201, made.text
    key = made.json()["key"]

    with httpx.Client(base_url=worked.stack.url, headers={"Authorization": f"Bearer {key}"}) as http:
        assert http.get("/v1/collections").status_code == 200

    assert not [name for name, written in worked.outputs().items() if key in written]


def test_neither_flowers_pages_nor_the_metrics_show_one(worked: Installation) -> None:
    flower = f"http://127.0.0.1:{worked.stack.flower_port}"
    login = ("operator", FLOWER_PASSWORD)

    for path in ("/", "/tasks", "/api/tasks", "/api/workers", "/metrics"):
        page = httpx.get(f"{flower}{path}", auth=login, timeout=30, follow_redirects=True)
        assert page.status_code == 200, (path, page.text)
        assert_private(f"flower {path}", page.text)
    assert "aegis.parse" in httpx.get(f"{flower}/api/tasks", auth=login, timeout=30).text
    assert_private("metrics", worked.http.get("/metrics").raise_for_status().text)


def test_every_line_is_an_object_with_time_level_and_part(worked: Installation) -> None:
    for name, written in worked.outputs().items():
        for line in filter(None, written.splitlines()):
            told = json.loads(line)
            assert _FIELDS.fullmatch(told["time"]), (name, line)
            assert told["level"] in _LEVELS, (name, line)
            assert told["part"], (name, line)
            assert told["event"], (name, line)


def test_lines_name_request_job_document_and_lane(worked: Installation) -> None:
    lines = {
        name: [json.loads(line) for line in filter(None, text.splitlines())]
        for name, text in worked.outputs().items()
    }

    submits = [line for line in lines["api.log"] if line.get("path") == "/v1/queries" and "job" in line]
    assert submits
    assert all({"request", "method", "status", "ms"} <= line.keys() for line in submits)
    about = [line for line in lines["worker-embed.log"] if {"job", "document", "stage"} <= line.keys()]
    assert about
    assert {line["lane"] for line in lines["worker-embed.log"] if line["part"] == "worker-embed"} == {"embed"}
    assert {line["part"] for line in lines["printed.txt"]} >= {"supervisor"}
