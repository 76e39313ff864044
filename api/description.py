"""The OpenAPI document: FastAPI's own, completed, and with names that never change."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from api.calls.openapi import SCHEMAS
from api.http.problems import MEDIA_TYPE
from api.routes.dead_letters import ReplayIn
from api.routes.keys import KeyIn, RotationIn
from api.schemas.answers import Problem
from api.schemas.backups import BackupIn, RestoreIn
from api.schemas.bodies import DocumentChangeIn, DocumentIn, QueryIn, ReindexIn
from api.schemas.examples import JOBS, OF_OPERATIONS, OF_PARAMETERS, OF_SCHEMAS, problem_of
from api.schemas.results import typed_jobs

Document = dict[str, Any]

# Names of operations, as generated clients call them: they never change. Others have their function's name.
IDS: Mapping[str, str] = {
    "POST /v1/documents": "ingest_document",
    "POST /v1/documents:batch": "ingest_documents",
    "GET /v1/batches/{batch_id}": "get_batch",
    "GET /v1/batches/{batch_id}/events": "follow_batch",
    "DELETE /v1/batches/{batch_id}": "cancel_batch",
    "GET /v1/documents": "list_documents",
    "GET /v1/documents/{document_id}": "get_document",
    "GET /v1/documents/{document_id}/text": "get_document_text",
    "GET /v1/documents/{document_id}/content": "get_document_content",
    "GET /v1/documents/{document_id}/chunks": "list_document_chunks",
    "PATCH /v1/documents/{document_id}": "change_document",
    "DELETE /v1/documents/{document_id}": "delete_document",
    "POST /v1/queries": "ask_question",
    "GET /v1/jobs": "list_jobs",
    "GET /v1/jobs/stuck": "list_stuck_jobs",
    "POST /v1/jobs/unstick": "unstick_jobs",
    "GET /v1/jobs/{job_id}": "get_job",
    "GET /v1/jobs/{job_id}/events": "follow_job",
    "GET /v1/events": "follow_jobs",
    "DELETE /v1/jobs/{job_id}": "cancel_job",
    "POST /v1/jobs/{job_id}/retry": "retry_job",
    "GET /v1/dead-letters": "list_dead_letters",
    "GET /v1/dead-letters/{job_id}": "get_dead_letter",
    "POST /v1/dead-letters/{job_id}/replay": "replay_dead_letter",
    "POST /v1/dead-letters/replay": "replay_dead_letters",
    "DELETE /v1/dead-letters/{job_id}": "drop_dead_letter",
    "DELETE /v1/dead-letters": "drop_dead_letters",
    "GET /v1/collections": "list_collections",
    "PUT /v1/collections/{name}": "make_collection",
    "GET /v1/collections/{name}": "get_collection",
    "DELETE /v1/collections/{name}": "delete_collection",
    "POST /v1/collections/{name}/reindex": "reindex_collection",
    "POST /v1/collections/{name}/rollback": "roll_back_collection",
    "POST /v1/collections/{name}/finish": "finish_collection",
    "POST /v1/backups": "make_backup",
    "GET /v1/backups": "list_backups",
    "GET /v1/backups/standing": "get_backup_standing",
    "POST /v1/backups/prune": "prune_backups",
    "GET /v1/backups/{backup}": "get_backup",
    "POST /v1/backups/{backup}/verify": "verify_backup",
    "POST /v1/backups/{backup}/rehearse": "rehearse_backup",
    "POST /v1/backups/{backup}/restore": "restore_backup",
    "GET /v1/keys": "list_keys",
    "POST /v1/keys": "make_key",
    "GET /v1/keys/{key_id}": "get_key",
    "DELETE /v1/keys/{key_id}": "revoke_key",
    "POST /v1/keys/{key_id}/rotate": "rotate_key",
    "POST /v1/keys/{key_id}/activate": "activate_key",
    "GET /v1/audit": "list_audit_entries",
    "GET /v1/lanes": "get_lanes",
    "GET /health": "get_health",
    "GET /health/live": "get_liveness",
    "GET /health/ready": "get_readiness",
    "GET /metrics": "get_metrics",
}

# The kind of job that a submit makes, by the operation's name.
JOB_KINDS: Mapping[str, str] = {
    "ingest_document": "ingest",
    "change_document": "ingest",
    "ask_question": "query",
    "reindex_collection": "reindex",
    "make_backup": "backup",
    "verify_backup": "verify",
    "rehearse_backup": "rehearse",
    "restore_backup": "restore",
    "prune_backups": "prune",
}

_BODIES = (BackupIn, DocumentChangeIn, DocumentIn, KeyIn, QueryIn, ReindexIn, ReplayIn, RestoreIn, RotationIn)
_NAMES = {
    "AuditOut": "AuditEntry",
    "StandingOut": "BackupStanding",
    "Page_Union_BackupOut__UnusableBackupOut__": "BackupPage",
}
_ANYWHERE = {
    "403": "The Host header has a name that is not ours",
    "500": "A fault of the service; the log tells more under the answer's X-Request-ID",
}
_PAGE = re.compile(r"Page_(\w+?)(Out)?_\Z")
_REFERENCE = re.compile(rf'"{SCHEMAS}(\w+)"')
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of API_KEYS, or one that POST /v1/keys made; none is needed until there is one",
}


def add_description(app: FastAPI) -> None:
    """``/openapi.json``, made at the first request and kept."""
    # It takes half a second, so it is made in a thread. The lock lets one request make it for all.
    made, building = app.openapi, asyncio.Lock()
    app.openapi = cache(lambda: complete(made()))  # type: ignore[method-assign]  # FastAPI's documented way
    content = b""

    @app.get("/openapi.json", include_in_schema=False)
    async def description() -> Response:
        nonlocal content
        async with building:
            content = content or await run_in_threadpool(lambda: bytes(JSONResponse(app.openapi()).body))
        return Response(content, media_type="application/json")


def complete(document: Document) -> Document:
    """``document``, which FastAPI made, with all that it lacks."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (Problem, *_BODIES):
        _add_schema(schemas, model)
    # A job is one of its kinds, so that a client that knows the kind knows the shape of the result.
    kinds = typed_jobs()
    for kind in kinds.values():
        _add_schema(schemas, kind, mode="serialization")
    names = {kind: SCHEMAS + model.__name__ for kind, model in kinds.items()}
    schemas["JobOut"] = {
        "title": "Job",
        "description": "A job in its present state. `result` is of its kind, and set once it has succeeded.",
        "oneOf": [{"$ref": name} for name in names.values()],
        "discriminator": {"propertyName": "kind", "mapping": names},
    }
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {"bearer": _BEARER}
    for path, method, operation in _operations(document):
        operation["operationId"] = IDS.get(f"{method.upper()} {path}", operation["operationId"])
        if path.startswith("/v1/"):
            operation["security"] = [{"bearer": []}]
        _complete_answers(operation, names)
    document = _rename_schemas(document)
    for _, _, operation in _operations(document):
        _add_examples(document, operation)
    return document


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Path, method and operation of each."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _add_schema(schemas: Document, model: type[BaseModel], **more: Any) -> None:
    schema = model.model_json_schema(ref_template=SCHEMAS + "{model}", **more)
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema


def _complete_answers(operation: Document, kinds: Mapping[str, str]) -> None:
    """Add the problems that any call may get, and the kind of job that a submit makes."""
    for status, meaning in _ANYWHERE.items():
        content = {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}}
        operation["responses"].setdefault(status, {"description": meaning, "content": content})
    for answer in operation["responses"].values():
        if (stream := answer.get("content", {}).get("text/event-stream")) is not None:
            # OpenAPI 3.1 has no schema for the events of a stream; itemSchema is of 3.2.
            stream.pop("itemSchema", None)
            stream["schema"] = {"type": "string", "description": "Server-sent events, as HTML defines them"}
    if kind := JOB_KINDS.get(operation["operationId"]):
        finished = operation["responses"]["200"]["content"]["application/json"]
        finished["schema"] = {"$ref": kinds[kind]}


def _rename_schemas(document: Document) -> Document:
    """Name schemas after things: Job for JobOut, JobPage for Page_JobOut_, QueryRequest for QueryIn."""
    schemas = document["components"]["schemas"]
    renamed = {_name_of(name): schema for name, schema in sorted(schemas.items())}
    document["components"]["schemas"] = renamed
    for name, schema in renamed.items():
        if "title" in schema:
            schema["title"] = name
    # A reference is a JSON string of its own, in "$ref" and in the mapping of a discriminator.
    text = _REFERENCE.sub(lambda found: f'"{SCHEMAS}{_name_of(found[1])}"', json.dumps(document))
    described: Document = json.loads(text)
    return described


def _name_of(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    if page := _PAGE.match(name):
        return f"{_name_of(page[1] + (page[2] or ''))}Page"
    if name.endswith("Out"):
        return name.removesuffix("Out")
    return f"{name.removesuffix('In')}Request" if name.endswith("In") else name


def _add_examples(document: Document, operation: Document) -> None:
    """Add one example of each parameter in the path, of the body, and of each answer."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in OF_PARAMETERS and (parameter["in"] == "path" or parameter.get("required")):
            parameter.setdefault("example", OF_PARAMETERS[parameter["name"]])
    _add_example(document, operation.get("requestBody", {}).get("content", {}), None)
    name = operation["operationId"]
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if MEDIA_TYPE in content:
            content[MEDIA_TYPE].setdefault("example", problem_of(int(status)))
        elif str(status) == "200" and name in JOB_KINDS:
            content["application/json"].setdefault("example", JOBS[JOB_KINDS[name]])
        else:
            _add_example(document, content, OF_OPERATIONS.get(name))


def _add_example(document: Document, content: Document, own: Any) -> None:
    for shown in content.values():
        example = own if own is not None else _example_of(document, shown.get("schema", {}))
        if example is not None and not {"example", "examples"} & shown.keys():
            shown["example"] = example


def _example_of(document: Document, schema: Document) -> Any:
    """The example of the schema's name; of a page, a page with one; None where there is none."""
    name = schema.get("$ref", "").removeprefix(SCHEMAS)
    if name in OF_SCHEMAS:
        return OF_SCHEMAS[name]
    if not name.endswith("Page"):
        return None
    listed = document["components"]["schemas"][name]["properties"]["items"]["items"]
    item = _example_of(document, listed.get("anyOf", [listed])[0])
    return None if item is None else {"items": [item], "next": None}
