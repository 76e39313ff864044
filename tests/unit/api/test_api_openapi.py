"""What OpenAPI says of every operation, so that a client can be made from it and a person can read it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from api.calls.parts import build
from api.description import IDS, JOB_KINDS, SCHEMAS
from api.main import create_app
from api.schemas.examples import OF_OPERATIONS, OF_SCHEMAS
from api.schemas.results import RESULTS
from rag.model import JobKind
from rag.settings import Settings

PROBLEM = "application/problem+json"
VERB_AND_NOUN = re.compile(r"[a-z]+(_[a-z]+)+\Z")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    settings = Settings.model_validate({"redis_url": f"unix://{home}/nobody.sock", "aegis_home": home})
    return create_app(settings, build(settings)).openapi()


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation, by its method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


def shown(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything with a body, sent or answered, by what it is of."""
    for name, operation in operations(document):
        for content in (operation.get("requestBody", {}), *operation["responses"].values()):
            for media_type, body in content.get("content", {}).items():
                yield f"{name}, {media_type}: {content.get('description', 'sent')}", body


def examples_of(body: Mapping[str, Any]) -> list[Any]:
    return [body["example"]] if "example" in body else [e["value"] for e in body.get("examples", {}).values()]


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)


def test_every_reference_leads_somewhere_and_every_schema_is_used(document: dict[str, Any]) -> None:
    named = {SCHEMAS + name for name in document["components"]["schemas"]}

    assert set(references(document)) == named


def test_every_operation_has_a_name_that_lasts(document: dict[str, Any]) -> None:
    found = {name: operation["operationId"] for name, operation in operations(document)}

    assert found == dict(IDS), "api.description has the names"
    assert len(set(found.values())) == len(found)
    assert [name for name in found.values() if not VERB_AND_NOUN.match(name)] == []
    assert JOB_KINDS.keys() <= set(found.values())
    assert OF_OPERATIONS.keys() <= set(found.values())


def test_every_operation_is_explained(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation["tags"], name
        assert operation["summary"], name
        for parameter in operation.get("parameters", ()):
            assert "schema" in parameter, (name, parameter["name"])
            if parameter["in"] == "path":
                assert "example" in parameter, (name, parameter["name"])


def test_everything_that_is_sent_or_answered_has_an_example(document: dict[str, Any]) -> None:
    lacking = [name for name, body in shown(document) if not examples_of(body)]

    assert [name for name in lacking if "multipart" not in name and "application/zip" not in name] == []


def test_the_examples_fit_their_schemas(document: dict[str, Any]) -> None:
    tried = 0
    for name, body in shown(document):
        schema = {**body.get("schema", {}), "components": document["components"]}
        for example in examples_of(body):
            faults = list(OAS31Validator(schema).iter_errors(example))
            assert faults == [], name
            tried += 1
    assert tried > 200


def test_no_example_is_of_nothing(document: dict[str, Any]) -> None:
    assert OF_SCHEMAS.keys() <= document["components"]["schemas"].keys()


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        answers = operation["responses"]
        assert {"403", "500"} <= answers.keys(), name
        for status, answer in answers.items():
            if status >= "400" and (name, status) != ("GET /health/ready", "503"):
                assert answer["content"][PROBLEM]["schema"] == {"$ref": f"{SCHEMAS}Problem"}, (name, status)
                assert answer["content"][PROBLEM]["example"]["status"] == int(status)
            if status in ("429", "503"):
                assert name.startswith("GET /health") or "Retry-After" in answer["headers"], name


def test_a_job_tells_its_result_by_its_kind(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    kinds = schemas["Job"]["discriminator"]["mapping"]

    assert kinds.keys() == RESULTS.keys() == {kind.value for kind in JobKind}
    assert [each["$ref"] for each in schemas["Job"]["oneOf"]] == list(kinds.values())
    for kind, reference in kinds.items():
        fields = schemas[reference.removeprefix(SCHEMAS)]["properties"]
        assert fields["kind"]["const"] == kind
        result = f"{SCHEMAS}{RESULTS[JobKind(kind)].__name__}"
        assert {"$ref": result} in fields["result"]["anyOf"]
    answer = document["paths"]["/v1/jobs/{job_id}"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": f"{SCHEMAS}Job"}


def test_no_name_is_one_of_the_code(document: dict[str, Any]) -> None:
    assert [name for name in document["components"]["schemas"] if re.search("Out$|In$|_", name)] == []


def test_nothing_names_a_page_that_is_gone() -> None:
    root = Path(__file__).parents[3]
    texts = [root / "README.md", root / "SECURITY.md", *(root / "docs" / "reference").glob("*.md")]

    assert [text.name for text in texts if "redoc" in text.read_text().lower()] == []
