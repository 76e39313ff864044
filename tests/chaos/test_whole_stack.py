"""Parts are killed, frozen and restarted under load: nothing is lost, doubled, stuck or wrong.

The short form deals all blows in one run, the long form each in runs of its own.
"""

import time
from collections.abc import Sequence

import pytest

from tests.chaos import blows
from tests.chaos.attack import Attack
from tests.chaos.audit import Audit
from tests.chaos.blows import Blow
from tests.chaos.caller import Caller
from tests.chaos.ledger import Edition, Ledger, Promise
from tests.chaos.load import ingested
from tests.chaos.stack import Target
from tests.chaos.texts import document

pytestmark = pytest.mark.timeout(1200)

ANYWHERE = (
    *map(blows.kill, ("broker", "vectors", "api")),
    blows.kill_beat,
    blows.kill_all_workers,
    blows.restart_all_pools,
    blows.freeze_broker,
    blows.lose_broker_data,
)


@pytest.mark.dealt(*ANYWHERE)
def test_blows_at_any_time(target: Target, attack: Attack, dealt: Sequence[Blow], run: int) -> None:
    attack(target, *dealt, seed=run)


def test_the_account_sees_what_is_wrong(target: Target) -> None:
    ledger = Ledger()
    caller = Caller(target.url, ledger)

    def ingest(document_id: str) -> str:
        body = {"text": document(document_id, 1, 2), "document_id": document_id}
        submitted = caller.submit("/v1/documents", {**body, "collection": ledger.collection})
        caller.finished(submitted["job_id"])
        return str(submitted["job_id"])

    ledger.promise(Promise(ingest("changed"), "ingest", ingested("changed", 3)))
    ledger.shows("changed", Edition("another text", 3))
    ledger.promise(Promise("01990a6e-3c1f-7b1e-9a44-1d2f5a0c7e11", "query", lambda _job: None))
    ingest("unasked")

    account = Audit(target, ledger, {}, settle=0).closed(time.monotonic() + 30)

    assert not account.clean
    assert (account.accepted, account.finished) == (2, 1)
    assert account.lost == 2, account.story()  # a job, and a point of "changed"
    assert account.doubled == 3, account.story()  # the job, the document and the points of "unasked"
    assert account.wrong == 2, account.story()  # the result and the text of "changed"
    assert (account.points, account.points_expected) == (4, 3)
