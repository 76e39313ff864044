"""The overlays of deploy/k8s: what they hold, and the disks that they ask for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes.kubectl import Kubectl, Object

NAMESPACE = "aegis-rag"
FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "k8s" / "overlays"
NAMES = sorted(path.name for path in FOLDER.iterdir() if (path / "kustomization.yaml").exists())

DEFAULT_CLASS: Object = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {
        "name": "test-default",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
    },
    "provisioner": "kubernetes.io/no-provisioner",
    "volumeBindingMode": "WaitForFirstConsumer",
}

_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


def rendered(kubectl: Kubectl, folder: Path) -> list[Object]:
    """Every object that an overlay makes."""
    return [each for each in yaml.safe_load_all(kubectl("kustomize", str(folder))) if each]


def workloads(objects: list[Object]) -> list[str]:
    """``kind/name`` of what makes pods."""
    found = [each for each in objects if each["kind"] in _WORKLOADS]
    return [f"{each['kind'].lower()}/{each['metadata']['name']}" for each in found]


def until_rolled_out(kubectl: Kubectl, objects: list[Object]) -> None:
    """Wait until every workload has all its pods in their present version.

    Raises RefusedError where one of them takes over 5 minutes.
    """
    for workload in workloads(objects):
        kubectl("-n", NAMESPACE, "rollout", "status", workload, "--timeout=300s")


def volumes(objects: list[Object]) -> list[Object]:
    """A volume for each claim, that of a stateful set's pods included, on a disk that is not there."""
    return [_volume(f"{NAMESPACE}-{number}", claim) for number, claim in enumerate(_claims(objects))]


def _claims(objects: list[Object]) -> Iterator[dict[str, Any]]:
    for each in objects:
        if each["kind"] == "PersistentVolumeClaim":
            yield each["spec"]
        if each["kind"] == "StatefulSet":
            for template in each["spec"].get("volumeClaimTemplates", ()):
                yield from [template["spec"]] * each["spec"]["replicas"]


def _volume(name: str, claim: dict[str, Any]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": claim["resources"]["requests"]["storage"]},
            "accessModes": claim["accessModes"],
            "storageClassName": claim.get("storageClassName", DEFAULT_CLASS["metadata"]["name"]),
            "hostPath": {"path": f"/{name}"},
        },
    }
