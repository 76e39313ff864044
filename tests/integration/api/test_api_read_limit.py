"""Looking is not submitting: each has its own rate limit, so that neither keeps a client from the other."""

import httpx
import pytest

from tests.integration.apiserver import Service, serving, settings_of

SUBMITS = 5


@pytest.fixture
def api(valkey, tmp_path):
    limits = {"rate_limit_requests_per_minute": SUBMITS, "rate_limit_reads_per_minute": 40}
    with serving(settings_of(valkey, tmp_path, **limits)) as service:
        yield service


def submit(api: Service) -> httpx.Response:
    return api.http.post("/v1/documents", json={"text": "A lamp."})


def test_who_submitted_all_that_may_be_can_still_look(api):
    answers = [submit(api) for _ in range(SUBMITS + 2)]
    job = answers[0].json()["job_id"]

    looks = [api.http.get(f"/v1/jobs/{job}") for _ in range(30)]
    looks.append(api.http.head("/v1/jobs"))

    assert [answer.status_code for answer in answers] == [202] * SUBMITS + [429] * 2
    assert all(answer.status_code != 429 for answer in looks)


def test_who_looked_as_often_as_may_be_can_still_submit(api):
    looks = [api.http.get("/v1/jobs") for _ in range(42)]

    assert [answer.status_code for answer in looks] == [200] * 40 + [429] * 2
    assert int(looks[-1].headers["Retry-After"]) >= 1
    assert "reads a minute" in looks[-1].json()["detail"]
    assert submit(api).status_code == 202


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/queries"),
        ("PUT", "/v1/collections/a"),
        ("DELETE", "/v1/jobs/nobody"),
        ("POST", "/v1/dead-letters/replay"),
    ],
)
def test_whatever_changes_something_counts_like_a_submit(api, method, path):
    answers = [api.http.request(method, path) for _ in range(SUBMITS + 1)]

    assert [answer.status_code == 429 for answer in answers] == [False] * SUBMITS + [True]
    assert submit(api).status_code == 429
