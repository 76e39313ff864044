"""Aegis in a real cluster as its callers find it, and while pods come and go."""

import ssl

import httpx
import pytest

from tests.chaos.attack import Attack
from tests.chaos.caller import Caller
from tests.chaos.ledger import Ledger
from tests.chaos.load import LIBRARY, Load
from tests.chaos.texts import FACTS
from tests.kubernetes import ingress
from tests.kubernetes.installation import HOST, Installation
from tests.kubernetes.network import entered
from tests.kubernetes.overlays import NAMESPACE
from tests.kubernetes.traffic import Traffic

pytestmark = pytest.mark.timeout(1200)

KILLED = ("vectors", "broker")


def test_a_question_is_answered_through_the_service(aegis: Installation) -> None:
    """Given documents taken through the Service, when a question is asked, then a document answers it."""
    service = aegis.kubectl.get("service", "aegis-api-service")["spec"]["clusterIP"]
    ledger = Ledger(collection="through-the-service")
    with entered(aegis.cluster.network):
        caller = Caller(f"http://{service}:8910", ledger)
        fact = FACTS[0]
        body = {"text": fact.text, "document_id": fact.document_id, "collection": ledger.collection}
        taken = caller.finished(caller.submit("/v1/documents", body)["job_id"])
        asked = {"question": fact.question, "collection": ledger.collection}
        answered = caller.finished(caller.submit("/v1/queries", asked)["job_id"])
    assert taken
    assert taken["state"] == "succeeded", taken
    assert answered
    assert fact.answer in answered["result"]["answer"]
    assert ledger.violations == []


def test_traefik_answers_with_the_overlays_certificate(aegis: Installation) -> None:
    """Given the Ingress and its Secret, when the host is called by TLS, then its certificate is shown."""
    address = ingress.address(aegis.kubectl)
    trust = ssl.create_default_context(cafile=aegis.authority)
    with entered(aegis.cluster.network), httpx.Client(verify=trust, timeout=60) as client:
        answer = client.get(
            f"https://{address}/v1/collections", headers={"Host": HOST}, extensions={"sni_hostname": HOST}
        )
    assert answer.status_code == httpx.codes.OK
    assert LIBRARY in answer.text


def test_a_rolling_restart_fails_no_request(aegis: Installation) -> None:
    """Given traffic, when the API's pods are replaced one after the other, then no request fails."""
    before = set(aegis.pods.names("app.kubernetes.io/component=api"))
    with Traffic(aegis.url, aegis.cluster.network) as traffic:
        aegis.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/aegis-api")
        aegis.until_rolled_out()
    assert before.isdisjoint(aegis.pods.names("app.kubernetes.io/component=api"))
    assert traffic.failed == {}, traffic.answers


def test_evicting_the_apis_pods_fails_no_request(aegis: Installation) -> None:
    """Given traffic, when each API pod is evicted in turn, as a drain does, then no request fails."""
    with Traffic(aegis.url, aegis.cluster.network) as traffic:
        for pod in aegis.pods.names("app.kubernetes.io/component=api"):
            aegis.pods.evict(pod)
            aegis.until_rolled_out()
    assert traffic.failed == {}, traffic.answers


def test_killed_pods_lose_and_double_nothing(aegis: Installation, attack: Attack) -> None:
    """Given jobs under way, when a worker, the vector engine and the broker are killed, then all jobs end.

    A question is given up where the engine is away for longer than its few attempts.
    """

    def kill(installation: Installation, _load: Load) -> None:
        for labels in ("aegis-rag/lane=embed", *(f"app.kubernetes.io/component={part}" for part in KILLED)):
            (pod,) = installation.pods.names(labels)
            installation.node.images.kill(installation.pods.container_of(pod))
            installation.until_rolled_out()

    with entered(aegis.cluster.network):
        attack(aegis, kill, also={"query": {"dead"}})
    restarts = [
        pod["status"]["containerStatuses"][0]["restartCount"]
        for pod in aegis.kubectl.items("pods", NAMESPACE)
    ]
    assert sum(restarts) >= 3
