"""``/openapi.json``: anybody may ask for it, so it is built once."""

import json

import pytest
from fastapi.testclient import TestClient

from api import description
from api.calls.parts import build
from api.main import create_app
from rag.settings import Settings
from tests.integration.apiserver import settings_of


@pytest.fixture
def chosen(valkey: str, tmp_path) -> Settings:
    return settings_of(valkey, tmp_path)


def test_it_is_built_once(chosen: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    complete = description.complete
    monkeypatch.setattr(description, "complete", lambda document: built.append(1) or complete(document))
    app = create_app(chosen, build(chosen))
    client = TestClient(app)

    answers = [client.get("/openapi.json") for _ in range(3)]

    assert {(answer.status_code, answer.headers["content-type"]) for answer in answers} == {
        (200, "application/json")
    }
    assert len({answer.content for answer in answers}) == 1
    assert app.openapi() is app.openapi()
    assert json.loads(answers[0].content) == app.openapi()
    assert len(built) == 1
    assert "/openapi.json" not in app.openapi()["paths"]
