"""Real KEDA scales a lane by the API's own figures: from no worker to several, and back to none.

It is not among what ``make test`` runs, since KEDA takes minutes to build: ``make test-kubernetes-keda``.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from tests.chaos.caller import Caller
from tests.chaos.ledger import Ledger
from tests.chaos.texts import document
from tests.kubernetes import keda
from tests.kubernetes.build import definitions
from tests.kubernetes.conftest import PRESENT
from tests.kubernetes.installation import Installation
from tests.kubernetes.network import entered
from tests.kubernetes.overlays import NAMESPACE
from tests.kubernetes.programs import KEDA
from tests.kubernetes.requirements import require_cluster
from tests.system.running import until

pytestmark = pytest.mark.timeout(1800)

LANE = "aegis-worker-embed"
SCALED_SECONDS = 240.0
DOCUMENTS = 60
QUICKLY = [
    {"op": "replace", "path": "/spec/pollingInterval", "value": 2},
    {"op": "replace", "path": "/spec/cooldownPeriod", "value": 10},
    {
        "op": "replace",
        "path": "/spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown",
        "value": {"stabilizationWindowSeconds": 5},
    },
    {"op": "replace", "path": "/spec/triggers/0/metadata/targetValue", "value": "5"},
]
"""The component's times are minutes, and a worker is meant for 20 jobs."""


@pytest.fixture
def scaled(aegis: Installation) -> Iterator[Installation]:
    """KEDA runs, and the overlay has its component."""
    require_cluster(KEDA)
    files = [file for file in definitions() if "keda" in str(file)]
    aegis.kubectl("apply", "--server-side", *(f"--filename={file}" for file in files))
    keda.start(aegis.cluster, aegis.node.images)
    aegis.apply(PRESENT, "keda")
    aegis.kubectl(
        "-n", NAMESPACE, "patch", "scaledobject", LANE, "--type", "json", "--patch", json.dumps(QUICKLY)
    )
    yield aegis
    aegis.kubectl("-n", NAMESPACE, "delete", "scaledobjects", "--all")
    aegis.apply(PRESENT)


def test_a_lane_has_workers_while_it_has_jobs(scaled: Installation) -> None:
    """Given a lane without jobs, it has no worker; when jobs come, then workers do, and all jobs succeed."""
    until(lambda: _replicas(scaled) == 0, SCALED_SECONDS)
    ledger = Ledger(collection="scaled")
    with entered(scaled.cluster.network), _counted(scaled) as counted:
        caller = Caller(scaled.url, ledger)
        bodies = [
            {"text": document(f"log-{n}", 1, 40), "collection": ledger.collection} for n in range(DOCUMENTS)
        ]
        jobs = [caller.submit("/v1/documents", body)["job_id"] for body in bodies]
        states = {(caller.finished(job, SCALED_SECONDS) or {"state": "not over"})["state"] for job in jobs}
        assert states == {"succeeded"}
        until(lambda: _replicas(scaled) == 0, SCALED_SECONDS)
    assert max(counted) >= 2
    assert ledger.violations == []


@contextmanager
def _counted(installation: Installation) -> Iterator[list[int]]:
    """How many workers the lane was given, looked at all the time while the block runs."""
    over, counts = Event(), [0]

    def look() -> None:
        while not over.is_set():
            counts.append(_replicas(installation))
            time.sleep(0.5)

    looking = Thread(target=look, daemon=True)
    looking.start()
    try:
        yield counts
    finally:
        over.set()
        looking.join()


def _replicas(installation: Installation) -> int:
    found: int = installation.kubectl.get("deployment", LANE)["spec"]["replicas"]
    return found
