"""The OpenAPI document that is served: FastAPI's own, with what it cannot see and in names that last."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from api.backup_schemas import BackupIn, RestoreIn
from api.bodies import DocumentChangeIn, DocumentIn, QueryIn, ReindexIn
from api.dead_letter_schemas import ReplayIn
from api.examples import OF_OPERATIONS, OF_PARAMETERS, OF_SCHEMAS, problem_of
from api.job_examples import JOBS
from api.key_schemas import KeyIn, RotationIn
from api.operations import IDS, JOB_KINDS
from api.problems import MEDIA_TYPE
from api.result_schemas import typed_jobs
from api.schemas import Problem

Document = dict[str, Any]

SCHEMAS = "#/components/schemas/"
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
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of API_KEYS, or one that POST /v1/keys made; none is needed until there is one",
}


def complete(document: Document) -> Document:
    """``document`` as FastAPI makes it, changed in place."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (Problem, *_BODIES):
        _add(schemas, model)
    _add_typed_jobs(schemas)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {"bearer": _BEARER}
    for path, method, operation in _operations(document):
        operation["operationId"] = IDS.get(f"{method.upper()} {path}", operation["operationId"])
        if path.startswith("/v1/"):
            operation["security"] = [{"bearer": []}]
        _complete_answers(operation)
        if kind := JOB_KINDS.get(operation["operationId"]):
            finished = operation["responses"]["200"]["content"]["application/json"]
            finished["schema"] = {"$ref": schemas["JobOut"]["discriminator"]["mapping"][kind]}
    _rename(document)
    for _, _, operation in _operations(document):
        _add_examples(document, operation)
    return document


def _operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Path, method and operation of each."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def _add(schemas: Document, model: type[BaseModel], **more: Any) -> None:
    schema = model.model_json_schema(ref_template=SCHEMAS + "{model}", **more)
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema


def _add_typed_jobs(schemas: Document) -> None:
    """A job is one of its kinds, so that whoever knows the kind knows the result."""
    names = {}
    for kind, model in typed_jobs().items():
        _add(schemas, model, mode="serialization")
        names[kind] = SCHEMAS + model.__name__
    schemas["JobOut"] = {
        "title": "Job",
        "description": "A job as it stands. `result` is of its kind, and there once it has succeeded.",
        "oneOf": [{"$ref": name} for name in names.values()],
        "discriminator": {"propertyName": "kind", "mapping": names},
    }


def _complete_answers(operation: Document) -> None:
    """Problems that any call may get; event streams as OpenAPI 3.1 can describe them."""
    for status, meaning in _ANYWHERE.items():
        content = {MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}Problem"}}}
        operation["responses"].setdefault(status, {"description": meaning, "content": content})
    for answer in operation["responses"].values():
        if (stream := answer.get("content", {}).get("text/event-stream")) is not None:
            stream.pop("itemSchema", None)
            stream["schema"] = {"type": "string", "description": "Server-sent events, as HTML defines them"}


def _rename(document: Document) -> None:
    """Schemas get the names of things: Job for JobOut, JobPage for Page_JobOut_, QueryRequest for QueryIn."""
    schemas = document["components"]["schemas"]
    names = {name: _name_of(name) for name in schemas}
    document["components"]["schemas"] = {names[name]: schema for name, schema in sorted(schemas.items())}
    for name, schema in document["components"]["schemas"].items():
        if "title" in schema:
            schema["title"] = name
    _repoint(document, {SCHEMAS + name: SCHEMAS + new for name, new in names.items()})


def _name_of(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    if page := _PAGE.match(name):
        return f"{_name_of(page[1] + (page[2] or ''))}Page"
    if name.endswith("Out"):
        return name.removesuffix("Out")
    return f"{name.removesuffix('In')}Request" if name.endswith("In") else name


def _repoint(node: Any, names: Mapping[str, str]) -> None:
    """Let every reference below ``node`` lead to the new name, those of discriminators too."""
    if isinstance(node, list):
        for item in node:
            _repoint(item, names)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str) and value in names:
                node[key] = names[value]
            else:
                _repoint(value, names)


def _add_examples(document: Document, operation: Document) -> None:
    """One of each: of what is sent, of each answer, and of what stands in the path."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in OF_PARAMETERS and (parameter["in"] == "path" or parameter.get("required")):
            parameter.setdefault("example", OF_PARAMETERS[parameter["name"]])
    _show(document, operation.get("requestBody", {}).get("content", {}), None)
    name = operation["operationId"]
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if MEDIA_TYPE in content:
            content[MEDIA_TYPE].setdefault("example", problem_of(int(status)))
        elif str(status) == "200" and name in JOB_KINDS:
            content["application/json"].setdefault("example", JOBS[JOB_KINDS[name]])
        else:
            _show(document, content, OF_OPERATIONS.get(name))


def _show(document: Document, content: Document, own: Any) -> None:
    for shown in content.values():
        example = own if own is not None else _example_of(document, shown.get("schema", {}))
        if example is not None and not {"example", "examples"} & shown.keys():
            shown["example"] = example


def _example_of(document: Document, schema: Document) -> Any:
    """That of the schema's name; of a page, a page with one; None where there is none."""
    name = schema.get("$ref", "").removeprefix(SCHEMAS)
    if name in OF_SCHEMAS:
        return OF_SCHEMAS[name]
    if not name.endswith("Page"):
        return None
    listed = document["components"]["schemas"][name]["properties"]["items"]["items"]
    item = _example_of(document, listed.get("anyOf", [listed])[0])
    return None if item is None else {"items": [item], "next": None}
