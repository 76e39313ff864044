"""The policies of the overlay for larger installations, enforced between idle pods with its pods' labels."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.kubernetes import overlays
from tests.kubernetes.installation import Installation
from tests.kubernetes.kubectl import Object
from tests.kubernetes.pods import Place

pytestmark = pytest.mark.timeout(900)

NAMESPACE = "arrows"
NEIGHBOURS = {"traefik", "keda", "monitoring"}
"""Namespaces with a pod of somebody else's, which may call whatever lets it in."""

LANES = (
    "backup",
    "embed",
    "embed-query",
    "fetch",
    "generate",
    "index",
    "maintenance",
    "ocr",
    "parse",
    "rerank",
)
WORKERS = {f"aegis-worker-{lane}" for lane in LANES}
APIS = {"aegis-api", "aegis-api-green"}
PARTS = APIS | WORKERS | {"aegis-beat", "aegis-flower"}
STORES = {"redis", "redis-2", "redis-sentinel"}
SEARCHING = WORKERS - {f"aegis-worker-{lane}" for lane in ("embed-query", "fetch", "generate")}
ARROWS: dict[tuple[str, int], set[str]] = {
    ("redis", 6379): PARTS | STORES,
    ("redis-sentinel", 26379): PARTS | STORES,
    ("qdrant", 6333): SEARCHING,
    ("qdrant", 6334): SEARCHING,
    ("qdrant", 6335): {"qdrant-2"},
    ("ollama", 11434): {"aegis-worker-generate"},
    ("aegis-api", 8910): {"traefik", "keda"},
    ("aegis-api-green", 8910): {"traefik", "keda"},
    ("aegis-flower", 5555): set(),
    ("public", 443): WORKERS | APIS | NEIGHBOURS | {"ollama"},
    ("public", 80): NEIGHBOURS | {"aegis-worker-fetch"},
    ("private", 443): NEIGHBOURS,
}
"""Who may connect to what. Whatever is not named here is shut; a pod always reaches itself."""


@pytest.fixture(scope="module")
def places(upgraded: Installation) -> Iterator[dict[str, Place]]:
    """A pod for each workload, a second Redis and Qdrant, a stranger, and a pod in each other namespace."""
    objects = overlays.rendered(upgraded.kubectl, overlays.FOLDER / "recommended")
    pods = {**_labels(objects), "stranger": {}}
    pods |= {f"{name}-2": pods[name] for name in ("redis", "qdrant")}
    for name in (NAMESPACE, *NEIGHBOURS):
        upgraded.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    upgraded.kubectl.apply(*(_moved(each) for each in objects if each["kind"] == "NetworkPolicy"))
    with ExitStack() as stack:
        found = stack.enter_context(upgraded.pods.idle(NAMESPACE, pods))
        for neighbour in NEIGHBOURS:
            found |= stack.enter_context(upgraded.pods.idle(neighbour, {neighbour: {}}))
        yield found


@pytest.fixture(scope="module")
def addresses(upgraded: Installation, places: object, machine_outside: tuple[str, str]) -> dict[str, str]:
    public, private = machine_outside
    names = {name for name, _ in ARROWS} - {"public", "private"}
    inside = {name: upgraded.pods.address_of(name, NAMESPACE) for name in names}
    return {**inside, "public": public, "private": private}


@pytest.mark.parametrize(("target", "port"), ARROWS)
def test_only_the_named_parts_connect(
    target: str, port: int, places: dict[str, Place], addresses: dict[str, str]
) -> None:
    """Given the policies, when every pod tries to connect, then those with an arrow do, and no other."""
    others = {name: place for name, place in places.items() if name != target}
    with ExitStack() as stack, ThreadPoolExecutor(8) as callers:
        if target in places:
            stack.enter_context(places[target].listening(port))
        reached = callers.map(lambda place: place.reaches(addresses[target], port), others.values())
        connected = {name for name, opened in zip(others, reached, strict=True) if opened}
    assert connected == ARROWS[target, port] - {target}


def _labels(objects: list[Object]) -> dict[str, Mapping[str, str]]:
    made = [each for each in objects if each["kind"] in ("Deployment", "StatefulSet")]
    return {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in made}


def _moved(policy: Object) -> Object:
    """The same for another namespace, beside that of the installation."""
    return {**policy, "metadata": {"name": policy["metadata"]["name"], "namespace": NAMESPACE}}
