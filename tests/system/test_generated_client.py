"""A client that a generator makes from the API's description, at work against the running API."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType
from openapi_schema_validator import OAS31Validator

from tests.system.running import Stack
from tests.system.service import finished, new_collection

PACKAGE = "aegis_generated_client"
FACT = "The aqueduct of Lindenau was finished in 1874 by the engineer Clara Weiss."

STREAMS = ("application/x-ndjson", "application/zip")
"""What the generator sends as it is, once told so: it knows no way of its own."""

Part = Callable[[str], Any]


@pytest.fixture(scope="module")
def description(client: httpx.Client) -> Any:
    return client.get("/openapi.json").raise_for_status().json()


@pytest.fixture(scope="module")
def part(description: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """Imports a module of the client that is made from the description, in a folder of its own."""
    folder = tmp_path_factory.mktemp("generated")
    source = folder / "openapi.json"
    source.write_text(json.dumps(description))
    config = Config.from_sources(
        ConfigFile(post_hooks=[], content_type_overrides=dict.fromkeys(STREAMS, "application/octet-stream")),
        MetaType.NONE,
        source,
        "utf-8",
        overwrite=True,
        output_path=folder / PACKAGE,
    )
    assert [f"{each.header} {each.detail}" for each in generate(config=config)] == []
    sys.path.insert(0, str(folder))
    try:
        yield lambda name: importlib.import_module(f"{PACKAGE}.{name}")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


def test_it_submits_a_text_waits_asks_and_lists(stack: Stack, part: Part) -> None:
    models, collection = part("models"), new_collection()
    with part("client").Client(base_url=stack.url, timeout=httpx.Timeout(90)) as api:
        submitted = part("api.documents.ingest_document").sync(
            client=api, body=models.DocumentRequest(text=FACT, collection=collection, document_id="aqueduct")
        )
        assert isinstance(submitted, models.Submitted)
        ingested = part("api.jobs.get_job").sync(submitted.job_id, client=api, wait=60)
        asked = part("api.queries.ask_question").sync(
            client=api,
            body=models.QueryRequest(
                question="Who finished the aqueduct of Lindenau?", collection=collection
            ),
            prefer="wait=60",
        )
        listed = part("api.documents.list_documents").sync(client=api, collection=collection)
        jobs = part("api.jobs.list_jobs").sync(client=api, collection=collection)

    assert isinstance(ingested, models.IngestJob)
    assert ingested.state == models.JobState.SUCCEEDED
    assert (ingested.result.document_id, ingested.result.chunks) == ("aqueduct", 1)
    assert isinstance(asked, models.QueryJob)
    assert "Clara Weiss" in asked.result.answer
    assert [citation.text for citation in asked.result.citations] == [FACT]
    assert [document.document_id for document in listed.items] == ["aqueduct"]
    assert {type(job) for job in jobs.items} == {models.IngestJob, models.QueryJob}


def test_its_errors_are_typed(stack: Stack, part: Part) -> None:
    with part("client").Client(base_url=stack.url) as api:
        answer = part("api.jobs.get_job").sync_detailed("nobody", client=api)

    assert answer.status_code == httpx.codes.NOT_FOUND
    assert isinstance(answer.parsed, part("models").Problem)
    assert answer.parsed.type_ == "urn:aegis:problem:not-found"


SUBMITS = [
    ("ingest", "/v1/documents", {"text": FACT}),
    ("query", "/v1/queries", {"question": "Who finished the aqueduct?"}),
    ("query", "/v1/queries", {"question": "Who finished it?", "generate": False}),
    ("reindex", "/v1/collections/{}/reindex", {"force": True}),
    ("backup", "/v1/backups", {}),
    ("verify", "/v1/backups/latest/verify", None),
    ("rehearse", "/v1/backups/latest/rehearse", None),
    ("restore", "/v1/backups/latest/restore", {"collection": "{}", "into": "{}-back"}),
    ("prune", "/v1/backups/prune", None),
]


def test_what_jobs_of_every_kind_answer_is_what_is_described(client: httpx.Client, description: Any) -> None:
    collection = new_collection()
    jobs = []
    for kind, path, fields in SUBMITS:
        body = _named(fields, collection)
        if kind in ("ingest", "query"):
            body = {**body, "collection": collection}
        answer = client.post(path.format(collection), **({} if fields is None else {"json": body}))
        assert answer.status_code == httpx.codes.ACCEPTED, (kind, answer.text)
        jobs.append((kind, finished(client, answer.json()["job_id"])))
    dropped = client.delete(f"/v1/collections/{collection}").json()
    jobs.append(("delete", finished(client, dropped["job_id"])))

    schemas = description["components"]["schemas"]
    for kind, job in jobs:
        assert (job["kind"], job["state"]) == (kind, "succeeded"), job
        shape = {"$ref": "#/components/schemas/Job", "components": {"schemas": schemas}}
        assert [fault.message for fault in OAS31Validator(shape).iter_errors(job)] == []
        assert job.keys() <= schemas[f"{kind.capitalize()}Job"]["properties"].keys()
        assert job["result"].keys() <= schemas[f"{kind.capitalize()}Result"]["properties"].keys(), kind
    assert {kind for kind, _ in jobs} == schemas["Job"]["discriminator"]["mapping"].keys()


def _named(fields: Any, collection: str) -> Any:
    return {
        name: value.format(collection) if isinstance(value, str) else value
        for name, value in (fields or {}).items()
    }


def test_what_listings_answer_is_what_is_described(client: httpx.Client, description: Any) -> None:
    schemas = {"schemas": description["components"]["schemas"]}
    paths = [path for path in description["paths"] if "{" not in path and path.startswith(("/v1", "/health"))]
    seen = []
    for path in paths:
        if "get" not in description["paths"][path] or path == "/v1/events":
            continue
        answer = client.get(path)
        responses = description["paths"][path]["get"]["responses"]
        schema = responses[str(answer.status_code)]["content"]["application/json"]["schema"]
        faults = OAS31Validator({**schema, "components": schemas}).iter_errors(answer.json())
        assert [fault.message for fault in faults] == [], path
        seen.append(path)
    assert {"/v1/jobs", "/v1/documents", "/v1/collections", "/v1/backups", "/v1/backups/standing"} <= set(
        seen
    )
