"""A Kubernetes cluster on this machine, for as long as a block runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes import dns, footprint, network
from tests.kubernetes.build import program
from tests.kubernetes.certificates import Authority
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.daemons import Daemons
from tests.kubernetes.images import COREDNS
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.node import Node

DNS_SECONDS = 180.0


@dataclass
class Cluster:
    """A control plane and what was added to it. ``network``: the namespace that all its addresses are in."""

    folder: Path
    network: Path
    daemons: Daemons
    control_plane: ControlPlane
    kubectl: Kubectl

    def add_node(self) -> Node:
        """A real node, with name service for its pods."""
        node = Node(self.folder, self.daemons, self.control_plane, self.kubectl)
        node.start()
        node.images.pack(COREDNS, program("coredns"))
        self.kubectl.apply(*dns.objects())
        self.kubectl(
            "-n", dns.NAMESPACE, "rollout", "status", "deployment/coredns", f"--timeout={DNS_SECONDS:.0f}s"
        )
        return node


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster without nodes. Nothing of it is left afterwards."""
    folder = footprint.lay()
    try:
        namespace = network.create(folder.name)
        daemons = Daemons(namespace, folder / "logs")
        control_plane = ControlPlane(folder, daemons, Authority(folder / "certificates"))
        control_plane.start()
        yield Cluster(folder, namespace, daemons, control_plane, control_plane.kubectl)
    finally:
        footprint.remove(folder)
