"""Simulated nodes: kwok plays their kubelets, so that pods are scheduled and become ready, and none runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.kubernetes import overlays
from tests.kubernetes.build import definitions, program
from tests.kubernetes.cluster import Cluster, running_cluster
from tests.kubernetes.kubectl import Object
from tests.kubernetes.programs import CONTROL_PLANE
from tests.kubernetes.requirements import require_cluster

_GKE_KINDS = ("GCPBackendPolicy", "GCPGatewayPolicy", "HealthCheckPolicy")
"""What only Google's cloud knows. Its schemas are not published as a Go module, so any field is taken."""

ZONES = ("zone-a", "zone-b", "zone-c")

_MARK = "kwok.x-k8s.io/node"
_READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Machines:
    """Equal machines, spread over the zones. ``memory`` in GiB; ``gpus`` a machine.

    What a kubelet and the system keep for themselves is taken off: 0.2 cores, and 10% of the memory.
    """

    name: str
    count: int
    cores: int
    memory: int
    gpus: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    taint: str = ""
    """``key=value:effect``, which pods must tolerate."""

    def nodes(self) -> Iterator[Object]:
        for number in range(self.count):
            yield self._node(f"{self.name}-{number}", ZONES[number % len(ZONES)])

    def _node(self, name: str, zone: str) -> Object:
        size = {
            "cpu": f"{self.cores * 1000 - 200}m",
            "memory": f"{self.memory * 1024 * 9 // 10}Mi",
            "ephemeral-storage": "100Gi",
            "pods": "58",
        }
        if self.gpus:
            size["nvidia.com/gpu"] = str(self.gpus)
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": zone,
            **self.labels,
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels, "annotations": {_MARK: "simulated"}},
            "spec": {"taints": [_taint(self.taint)] if self.taint else []},
            "status": {"allocatable": size, "capacity": size},
        }


@contextmanager
def simulated_cluster() -> Iterator[Cluster]:
    """A real control plane with every custom resource known, and a player of simulated nodes."""
    require_cluster(CONTROL_PLANE)
    with running_cluster() as cluster:
        cluster.kubectl("apply", "--server-side", *(f"--filename={file}" for file in definitions()))
        cluster.kubectl.apply(overlays.DEFAULT_CLASS, *(_unchecked(kind) for kind in _GKE_KINDS))
        start(cluster)
        yield cluster


def start(cluster: Cluster) -> None:
    """Let every node with the mark be played."""
    command = [
        str(program("kwok")),
        f"--kubeconfig={cluster.control_plane.kubeconfig}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={_MARK}=simulated",
        "--cidr=10.245.0.0/16",
        "--node-ip=172.30.0.20",
        "--node-lease-duration-seconds=40",
        "--enable-crds=",
    ]
    cluster.daemons.start("kwok", command)


def add(cluster: Cluster, *groups: Machines) -> None:
    """Add the machines; returns when all are ready."""
    nodes = [node for group in groups for node in group.nodes()]
    cluster.kubectl.apply(*nodes)
    names = [f"node/{node['metadata']['name']}" for node in nodes]
    cluster.kubectl("wait", "--for=condition=Ready", f"--timeout={_READY_SECONDS:.0f}s", *names)


def _unchecked(kind: str) -> Object:
    """A definition of a kind of GKE's that takes every object."""
    group, singular = "networking.gke.io", kind.lower()
    plural = f"{singular.removesuffix('y')}ies"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": singular},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }


def _taint(text: str) -> dict[str, str]:
    tolerated, _, effect = text.partition(":")
    key, _, value = tolerated.partition("=")
    return {"key": key, "value": value, "effect": effect}
