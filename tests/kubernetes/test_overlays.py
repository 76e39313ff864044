"""Every overlay of deploy/k8s in a real control plane, on simulated machines of the guide's sizes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import pytest

from tests.kubernetes import overlays, simulated
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.kubectl import Object, RefusedError
from tests.kubernetes.machines import MACHINES
from tests.kubernetes.overlays import NAMESPACE

pytestmark = pytest.mark.timeout(900)


@dataclass
class Applied:
    """An overlay in a cluster of its own, with the machines that it is meant for."""

    cluster: Cluster
    name: str
    objects: list[Object]

    @property
    def folder(self) -> str:
        return str(overlays.FOLDER / self.name)

    def until_rolled_out(self) -> None:
        overlays.until_rolled_out(self.cluster.kubectl, self.objects)

    def pods(self, component: str) -> list[Object]:
        labels = f"app.kubernetes.io/component={component}"
        found = self.cluster.kubectl.items("pods", NAMESPACE, labels)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


@pytest.fixture(scope="module", params=overlays.NAMES)
def applied(request: pytest.FixtureRequest) -> Iterator[Applied]:
    """Everything that the overlay finds in place is there: its machines, its disks, its namespace."""
    with simulated.simulated_cluster() as cluster:
        objects = overlays.rendered(cluster.kubectl, overlays.FOLDER / request.param)
        simulated.add(cluster, *MACHINES[request.param])
        namespace = [each for each in objects if each["kind"] == "Namespace"]
        cluster.kubectl.apply(*overlays.volumes(objects), *namespace)
        yield Applied(cluster, request.param, objects)


def test_the_api_server_takes_every_object(applied: Applied) -> None:
    """Given a namespace that enforces `restricted`, an overlay is valid: no error, and no warning either."""
    apply = ("apply", "--server-side", "--warnings-as-errors", "-k", applied.folder)
    taken = applied.cluster.kubectl(*apply, "--dry-run=server")
    assert len(taken.splitlines()) == len(applied.objects)
    applied.cluster.kubectl(*apply)


def test_every_pod_finds_a_machine_and_its_disk(applied: Applied) -> None:
    """Given machines of the guide's sizes, when an overlay is applied, then every rollout ends."""
    applied.until_rolled_out()
    pods = applied.cluster.kubectl.items("pods", NAMESPACE)
    assert pods
    assert all(pod["spec"].get("nodeName") for pod in pods)
    claims = applied.cluster.kubectl.items("persistentvolumeclaims", NAMESPACE)
    assert {claim["status"]["phase"] for claim in claims} <= {"Bound"}


def test_a_disruption_budget_lets_one_api_pod_go_at_a_time(applied: Applied) -> None:
    """Given all API pods ready, when all are evicted at once, then one goes, and the others are refused."""
    applied.until_rolled_out()
    pods = [pod["metadata"]["name"] for pod in applied.pods("api")]
    refused = [name for name in pods if not _evicted(applied, name)]
    assert len(refused) == len(pods) - 1
    applied.until_rolled_out()


def test_a_drain_leaves_the_api_at_work(applied: Applied) -> None:
    """Given several machines, when one is drained, then never more than one API pod is away."""
    nodes = {pod["spec"]["nodeName"] for pod in applied.pods("api")}
    if len(nodes) == 1:
        pytest.skip(f"{applied.name} has one machine")
    replicas = len(applied.pods("api"))
    over = Event()
    with ThreadPoolExecutor(1) as beside:
        watching = beside.submit(_least_available, applied, over)
        try:
            _drain(applied, min(nodes))
        finally:
            over.set()
        assert watching.result() >= replicas - 1
    applied.until_rolled_out()


def _drain(applied: Applied, node: str) -> None:
    options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=300s")
    applied.cluster.kubectl("drain", node, *options)
    left = [pod for pod in applied.cluster.kubectl.items("pods") if pod["spec"].get("nodeName") == node]
    applied.cluster.kubectl("uncordon", node)
    assert not [pod for pod in left if "deletionTimestamp" not in pod["metadata"]]


def _least_available(applied: Applied, over: Event) -> int:
    """The fewest API pods that were available at once until ``over`` is set."""
    least = len(applied.pods("api"))
    while not over.wait(0.2):
        status = applied.cluster.kubectl.get("deployment", "aegis-api")["status"]
        least = min(least, status.get("availableReplicas", 0))
    return least


def _evicted(applied: Applied, pod: str) -> bool:
    """Whether the API server let the pod go; no other reason than a budget counts as a refusal."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": NAMESPACE},
    }
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
    try:
        applied.cluster.kubectl("create", "--raw", path, "-f", "-", objects=eviction)
    except RefusedError as error:
        if "disruption budget" not in str(error):
            raise
        return False
    return True
