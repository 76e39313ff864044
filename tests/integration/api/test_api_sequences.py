"""Calls that follow each other, as the description links them: what one answers is what the next is given."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from redis import Redis
from schemathesis import Case, Response

from api.main import create_app
from tests.integration.apiserver import settings_of, silent_parts

SEQUENCES, CALLS = 25, 8
KEY = "admin-key-of-16-characters"
ADMIN = {KEY: {"name": "admin", "role": "admin", "collections": ["*"]}}


def test_no_sequence_of_calls_breaks_the_service(valkey, tmp_path):
    chosen = settings_of(valkey, tmp_path, api_keys=ADMIN)  # else it makes the first key, and is locked out
    parts = silent_parts(chosen)
    parts.documents.put_collection(chosen.collection_name, chosen.embedding_name, chosen.dimension)
    client = Redis.from_url(valkey)
    before = {key: client.dump(key) for key in client.scan_iter()}
    schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(chosen, parts))
    schema = schema.exclude(path="/health/ready")  # 503 on purpose where no worker runs
    answered: set[int] = set()
    undocumented: set[tuple[str, str, int]] = set()

    class Calls(schema.as_state_machine()):  # type: ignore[misc]  # made at run time
        def setup(self) -> None:
            """Begin each sequence alike: Hypothesis refuses one that goes otherwise when repeated."""
            client.flushall()
            for key, value in before.items():
                client.restore(key, 0, value)

        def before_call(self, case: Case) -> None:
            case.headers.pop("Prefer", None)  # nobody works here, so waiting would only take time
            case.headers["Authorization"] = f"Bearer {KEY}"
            case.query.pop("wait", None)

        def validate_response(self, response: Response, case: Case, **_: Any) -> None:
            """Raises nothing: the store outlives a sequence, so a second run of it may go otherwise."""
            answered.add(response.status_code)
            if str(response.status_code) not in case.operation.definition.raw["responses"]:
                undocumented.add((case.method, case.path, response.status_code))

    Calls.run(
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=CALLS,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )

    assert undocumented == set()
    assert {200, 202} <= answered
    assert 500 not in answered
