"""The clusters that these tests run on."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.kubernetes import overlays, simulated
from tests.kubernetes.build import definitions
from tests.kubernetes.cluster import Cluster, running_cluster
from tests.kubernetes.programs import CONTROL_PLANE
from tests.kubernetes.requirements import require_cluster


@contextmanager
def simulated_cluster() -> Iterator[Cluster]:
    """A real control plane with every custom resource known, and a player of simulated nodes."""
    require_cluster(CONTROL_PLANE)
    with running_cluster() as cluster:
        cluster.kubectl("apply", "--server-side", *(f"--filename={file}" for file in definitions()))
        cluster.kubectl.apply(overlays.DEFAULT_CLASS)
        simulated.start(cluster)
        yield cluster
