"""What the pods of deploy/k8s ask for fits the sizes of the guide, with what KEDA may add."""

import re

import pytest

from rag.settings import Settings
from tasks.lanes import LANES
from tests.deploy.manifests import LANE, OVERLAYS, ROOT, Rendered, Workload, every_overlay, overlay, quantity

PAGE = ROOT / "docs/deploy/kubernetes.md"
GIB = 2**30
GB = 1e9
TOTALS = {"minimum": (16, 56), "recommended": (76, 280)}
"""Cores and GB of all machines, as the deployment guide has them (its sums mended)."""

FOR_OTHERS = 0.15
"""What the system, Prometheus, Ingress and KEDA take of the machines."""

MACHINES = {"qdrant": (8, 32), "ollama": (4, 16), "redis": (8, 32), "api": (8, 32), "worker": (8, 32)}
"""Cores and GiB of the smallest machine on which a pod of each kind shall fit, by deploy/terraform."""

AT_REST_MIB = {
    "api": 65, "parse": 172, "ocr": 274, "embed": 148, "embed-query": 124,
    "generate": 107, "index": 96, "maintenance": 95, "rerank": 84,
    "fetch": 93, "backup": 93,
}  # fmt: skip
"""Measured, of one process of the API and one worker of a lane."""

WITH_KEDA = ["recommended", "aws", "azure", "gcp"]


def most_replicas(rendered: Rendered, work: Workload) -> int:
    """As many pods as the manifests allow: by KEDA, and in both colours while one follows the other."""
    scaled = {each["spec"]["scaleTargetRef"]["name"]: each["spec"] for each in rendered.of("ScaledObject")}
    if work.name in scaled:
        return int(scaled[work.name]["maxReplicaCount"])
    return int(rendered.workload("aegis-api" if work.component == "api" else work.name).spec["replicas"])


def requested(work: Workload, resource: str) -> float:
    """Of one pod: its container, or an init container before it if that asks for more."""
    return max(quantity(each["resources"]["requests"][resource]) for each in work.containers)


@pytest.mark.parametrize("name", sorted(TOTALS))
def test_all_pods_together_fit_the_sizing(name: str) -> None:
    cores, gigabytes = TOTALS[name]
    pods = [(work, most_replicas(overlay(name), work)) for work in overlay(name).workloads]

    assert sum(count * requested(work, "cpu") for work, count in pods) <= (1 - FOR_OTHERS) * cores
    assert sum(count * requested(work, "memory") for work, count in pods) <= (1 - FOR_OTHERS) * gigabytes * GB


@pytest.mark.parametrize("name", ["embedded", "minimum", "recommended"])
def test_the_page_says_what_all_pods_ask_for(name: str) -> None:
    pods = [(work, most_replicas(overlay(name), work)) for work in overlay(name).workloads]
    cores, memory = (sum(count * requested(work, each) for work, count in pods) for each in ("cpu", "memory"))
    (row,) = [
        line
        for line in PAGE.read_text().splitlines()
        if line.startswith(f"| `{name}` | ") and "cores" in line
    ]

    assert f"| {cores:.1f} cores, {memory / GB:.0f} GB |" in row


@pytest.mark.parametrize("name", ["recommended", "aws", "azure", "gcp"])
def test_each_pod_fits_the_machine_that_is_meant_for_it(name: str) -> None:
    for work in overlay(name).workloads:
        if work.component in MACHINES:
            cores, gibibytes = MACHINES[work.component]
            assert requested(work, "cpu") <= 0.85 * cores, work.name
            assert requested(work, "memory") <= 0.85 * gibibytes * GIB, work.name


@every_overlay
def test_a_pod_asks_for_twice_what_it_takes_at_rest(name: str) -> None:
    for work in overlay(name).workloads:
        part = work.labels.get(LANE, work.component)
        if part in AT_REST_MIB:
            processes = int(overlay(name).config["API_WORKERS"]) + 1 if part == "api" else 2
            assert requested(work, "memory") >= processes * AT_REST_MIB[part] * 2**20, work.name


@every_overlay
def test_memory_is_limited_and_processor_time_is_not(name: str) -> None:
    """A worker that may use an idle processor is done earlier; a limit would only slow it down."""
    for work in overlay(name).workloads:
        for container in work.containers:
            limits, requests = container["resources"]["limits"], container["resources"]["requests"]
            assert "cpu" not in limits, work.name
            assert quantity(limits["memory"]) >= quantity(requests["memory"]) > 0, work.name
            assert quantity(requests["cpu"]) > 0, work.name


@pytest.mark.parametrize("name", [name for name in OVERLAYS if name != "embedded"])
def test_redis_has_room_to_rewrite_its_file(name: str) -> None:
    container = overlay(name).workload("redis").main
    (most,) = [each["value"] for each in container["env"] if each["name"] == "MAXMEMORY"]

    assert 2 * int(most.removesuffix("gb")) * GIB <= quantity(container["resources"]["limits"]["memory"])


@pytest.mark.parametrize("name", WITH_KEDA)
def test_every_lane_but_maintenance_is_scaled_and_names_no_replicas_itself(name: str) -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in overlay(name).of("ScaledObject")}

    assert scaled == {f"aegis-worker-{lane.name}" for lane in LANES if lane.name != "maintenance"}
    for deployment in scaled:
        assert "replicas" not in overlay(name).workload(deployment).spec  # an apply would set it back


@pytest.mark.parametrize("name", WITH_KEDA)
def test_lanes_that_people_wait_for_keep_a_worker(name: str) -> None:
    least = {
        each["spec"]["scaleTargetRef"]["name"].removeprefix("aegis-worker-"): each["spec"]["minReplicaCount"]
        for each in overlay(name).of("ScaledObject")
    }

    assert {lane for lane, count in least.items() if count >= 1} == {"embed-query", "rerank", "generate"}


@pytest.mark.parametrize("name", WITH_KEDA)
def test_lanes_are_scaled_by_open_jobs_and_oldest_wait(name: str) -> None:
    figure = re.compile(r'(aegis_lane_open_jobs|aegis_lane_oldest_wait_seconds)\{lane="([a-z-]+)"\}')
    for each in overlay(name).of("ScaledObject"):
        lane = each["metadata"]["name"].removeprefix("aegis-worker-")
        found = [
            figure.fullmatch(trigger["metadata"]["valueLocation"]) for trigger in each["spec"]["triggers"]
        ]
        assert all(one and one[2] == lane for one in found)
        names = {one[1] for one in found if one}
        assert "aegis_lane_open_jobs" in names  # what runs counts, so a busy lane is not taken for idle
        assert lane == "backup" or len(names) == 2
        assert all(int(trigger["metadata"]["targetValue"]) > 0 for trigger in each["spec"]["triggers"])


@pytest.mark.parametrize("name", WITH_KEDA)
def test_keda_reads_the_figures_where_the_api_has_them(name: str) -> None:
    (address,) = {
        trigger["metadata"]["url"]
        for each in overlay(name).of("ScaledObject")
        for trigger in each["spec"]["triggers"]
    }
    service = overlay(name).one("Service", "aegis-api-service")
    (port,) = service["spec"]["ports"]

    assert address == f"http://aegis-api-service.aegis-rag.svc:{port['port']}/metrics"
    assert overlay(name).config["PROMETHEUS_METRICS_ENABLED"] == "true"


@pytest.mark.parametrize("name", WITH_KEDA)
def test_lanes_shrink_one_worker_at_a_time_and_slower_than_a_worker_drains(name: str) -> None:
    for each in overlay(name).of("ScaledObject"):
        behaviour = each["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        (policy,) = behaviour["policies"]
        assert (policy["type"], policy["value"]) == ("Pods", 1)
        assert policy["periodSeconds"] > Settings().drain_seconds
        assert each["spec"]["cooldownPeriod"] >= 300
        assert each["spec"]["fallback"] == {
            "failureThreshold": 3,
            "replicas": 1,
            "behavior": "currentReplicasIfHigher",
        }
