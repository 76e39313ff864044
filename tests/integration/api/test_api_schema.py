"""The API against its own description: whatever is sent, nothing breaks inside."""

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import status_code_conformance

from api.main import create_app
from rag.settings import Settings
from tests.integration.apiserver import settings_of, silent_parts

NEEDS_WORKERS = "/health/ready"  # answers 503 on purpose where none runs

few = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def described(chosen: Settings) -> BaseSchema:
    parts = silent_parts(chosen)
    parts.documents.put_collection(chosen.collection_name, chosen.embedding_name, chosen.dimension)
    app = create_app(chosen, parts)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_nothing_that_is_sent_breaks_the_service(valkey, tmp_path, mode):
    tried = 0
    for found in described(settings_of(valkey, tmp_path)).get_all_operations():
        operation = found.ok()
        if operation.path == NEEDS_WORKERS:
            continue

        @few
        @given(case=operation.as_strategy(generation_mode=mode))
        def survives(case: Case) -> None:
            nonlocal tried
            tried += 1
            case.headers.pop("Prefer", None)  # nobody works here, so waiting would only take time
            case.call_and_validate(checks=[not_a_server_error, status_code_conformance], timeout=20)

        with suppress(Unsatisfiable):  # an operation without parameters cannot be called wrongly
            survives()
    assert tried > 100
