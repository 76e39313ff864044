"""Documents that kill, starve or block the worker that embeds them end as dead letters, and harm no other."""

from collections.abc import Iterator

import pytest

from tests.chaos.attack import Attack
from tests.chaos.caller import Caller
from tests.chaos.faults.poisons import POISONS
from tests.chaos.ledger import Promise
from tests.chaos.load import Load, Scale
from tests.chaos.stack import Target, running

pytestmark = pytest.mark.timeout(900)

GIVEN_UP_SECONDS = 300.0
IMPATIENT = {
    "STAGE_TIMEOUT": "10",
    "FETCH_TIMEOUT": "5",
    "PARSE_TIMEOUT": "8",
    "GENERATOR_TIMEOUT": "8",
    "LEASE_SECONDS": "6",
    "WORKER_MEMORY_MB": "1024",
    "MAX_ATTEMPTS": "2",
}


@pytest.fixture(scope="module")
def impatient(scale: Scale, sharing: dict[str, str]) -> Iterator[Target]:
    """A stack that ends a stage after seconds, with workers that some texts poison."""
    with running(rigged=True, **{**scale.settings, **IMPATIENT, **sharing}) as target:
        yield target


def test_poisonous_documents(impatient: Target, attack: Attack, run: int) -> None:
    def poison(target: Target, load: Load) -> None:
        caller = Caller(impatient.url, load.ledger)
        jobs = [_submit(caller, load, name, text) for name, text in POISONS.items()]
        assert [_end(caller, job_id) for job_id in jobs] == ["dead"] * len(jobs)
        where = {"collection": load.ledger.collection}
        letters = caller.call("GET", "/v1/dead-letters", {200}, params=where).json()["items"]
        assert {letter["id"] for letter in letters} == set(jobs)

    attack(impatient, poison, seed=run)


def _submit(caller: Caller, load: Load, name: str, text: str) -> str:
    body = {"text": text, "document_id": f"poison-{name}", "collection": load.ledger.collection}
    job_id: str = caller.submit("/v1/documents", body)["job_id"]
    load.ledger.promise(Promise(job_id, "ingest", lambda _job: None, frozenset({"dead"})))
    load.ledger.hides(f"poison-{name}")
    return job_id


def _end(caller: Caller, job_id: str) -> str | None:
    job = caller.finished(job_id, GIVEN_UP_SECONDS)
    return job and job["state"]
