"""Which connections are open between real pods, and which are shut."""

from collections.abc import Iterator

import pytest

from tests.kubernetes.ingress import NAMESPACE as INGRESS
from tests.kubernetes.installation import Installation
from tests.kubernetes.overlays import NAMESPACE
from tests.kubernetes.pods import Place

pytestmark = pytest.mark.timeout(900)

NAME = "redis.aegis-rag.svc.cluster.local"
PARTS = {
    "api": "app.kubernetes.io/component=api",
    "beat": "app.kubernetes.io/component=beat",
    "flower": "app.kubernetes.io/component=flower",
    "vectors": "app.kubernetes.io/component=vectors",
    "broker": "app.kubernetes.io/component=broker",
    "worker-parse": "aegis-rag/lane=parse",
    "worker-fetch": "aegis-rag/lane=fetch",
}
ARROWS = {
    "broker": {"api", "beat", "flower", "worker-parse", "worker-fetch"},
    "api": {"traefik"},
    "flower": set(),
    "internet": {"worker-fetch", "traefik", "double"},
}
"""Who may connect to what: whatever is not named here is shut. Pods of other namespaces may call outside."""


@pytest.fixture(scope="module")
def places(upgraded: Installation) -> Iterator[dict[str, Place]]:
    """A pod of each part, Traefik's, and strangers: one beside Aegis' pods, one with its labels elsewhere."""
    upgraded.until_rolled_out()
    pods = upgraded.pods
    found = {part: Place(pods.network_of(pods.names(labels)[0])) for part, labels in PARTS.items()}
    found["traefik"] = Place(pods.network_of(pods.names("app=traefik", INGRESS)[0], INGRESS))
    labels = {"app.kubernetes.io/part-of": "aegis-rag", "app.kubernetes.io/component": "api"}
    with (
        pods.idle(NAMESPACE, {"stranger": {}}) as stranger,
        pods.idle("default", {"double": labels}) as double,
    ):
        yield {**found, **stranger, **double}


@pytest.fixture(scope="module")
def targets(upgraded: Installation, machine_outside: tuple[str, str]) -> dict[str, tuple[str, int]]:
    """Addresses of pods, so that nothing but the policies stands between, and of a machine outside."""
    addresses = {part: _address(upgraded, labels) for part, labels in PARTS.items()}
    return {
        "broker": (addresses["broker"], 6379),
        "api": (addresses["api"], 8910),
        "flower": (addresses["flower"], 5555),
        "internet": (machine_outside[0], 443),
    }


@pytest.mark.parametrize("target", ARROWS)
def test_only_the_named_parts_connect(
    target: str, places: dict[str, Place], targets: dict[str, tuple[str, int]]
) -> None:
    """Given the policies, when every pod tries to connect, then those with an arrow do, and no other."""
    others = {name: place for name, place in places.items() if name != target}
    assert {name for name, place in others.items() if place.reaches(*targets[target])} == ARROWS[target]


def test_aegis_pods_find_names_and_a_stranger_among_them_does_not(places: dict[str, Place]) -> None:
    """Given the policies, when every pod asks for a name, then all are answered but the unlabelled one."""
    assert {name for name, place in places.items() if not place.resolves(NAME)} == {"stranger"}


def _address(installation: Installation, labels: str) -> str:
    found: str = installation.kubectl.items("pods", NAMESPACE, labels)[0]["status"]["podIP"]
    return found
