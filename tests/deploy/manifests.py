"""deploy/k8s as kustomize renders it: the objects of an overlay, their pods, and what selectors choose."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from tests.chaos.requirements import missing

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/k8s"
EXAMPLE = FOLDER / "components/external-secrets/example.yaml"
OVERLAYS = sorted(path.parent.name for path in FOLDER.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent.name for path in FOLDER.glob("components/*/kustomization.yaml"))
OPTIONAL = {
    "prometheus": ("minimum", "prometheus"),
    "green": ("minimum", "green"),
    "pod-monitors": ("minimum", "pod-monitors"),
    "tracing": ("minimum", "tracing"),
}
"""The components that no overlay has, each with the overlay that a test adds it to."""

PRODUCTION = [name for name in OVERLAYS if name != "embedded"]
LARGE = [name for name in PRODUCTION if name != "minimum"]

COMPONENT, LANE, COLOR = "app.kubernetes.io/component", "aegis-rag/lane", "aegis-rag/color"
OURS = ("api", "worker", "beat", "flower", "broker", "vectors")
"""What runs in images of this repository."""

every_overlay = pytest.mark.parametrize("name", OVERLAYS)

Object = dict[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet."""

    made: Object

    @property
    def name(self) -> str:
        return str(self.made["metadata"]["name"])

    @property
    def spec(self) -> Object:
        return dict(self.made["spec"])

    @property
    def pod(self) -> Object:
        return dict(self.spec["template"]["spec"])

    @property
    def labels(self) -> Labels:
        return dict(self.spec["template"]["metadata"]["labels"])

    @property
    def component(self) -> str:
        return self.labels[COMPONENT]

    @property
    def containers(self) -> list[Object]:
        return [*self.pod.get("initContainers", ()), *self.pod["containers"]]

    @property
    def main(self) -> Object:
        (container,) = self.pod["containers"]
        return dict(container)


@dataclass(frozen=True)
class Rendered:
    """All objects of one kustomization."""

    objects: tuple[Object, ...]

    def of(self, *kinds: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] in kinds]

    def one(self, kind: str, name: str) -> Object:
        (found,) = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        return found

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        return tuple(map(Workload, self.of("Deployment", "StatefulSet")))

    def workload(self, name: str) -> Workload:
        (found,) = [each for each in self.workloads if each.name == name]
        return found

    @cached_property
    def config(self) -> dict[str, str]:
        """The settings that all parts have, from the ConfigMap aegis-config with the hash behind its name."""
        maps = {each["metadata"]["name"].rpartition("-")[0]: each for each in self.of("ConfigMap")}
        return dict(maps["aegis-config"]["data"])


def matches(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a label selector chooses what has ``labels``; an empty one chooses everything."""
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(_fits(each, labels) for each in selector.get("matchExpressions", ()))


def _fits(expression: Mapping[str, Any], labels: Labels) -> bool:
    match expression["operator"]:
        case "In":
            return labels.get(expression["key"]) in expression["values"]
        case "Exists":
            return expression["key"] in labels
    raise AssertionError(f"no test knows this operator: {expression}")


@cache
def overlay(name: str) -> Rendered:
    return render(FOLDER / "overlays" / name)


def render(folder: Path) -> Rendered:
    """What ``kubectl kustomize`` makes of a folder; AssertionError with its complaint."""
    done = subprocess.run(
        [kubectl(), "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr, done.stderr
    return Rendered(tuple(each for each in yaml.safe_load_all(done.stdout) if each))


@cache
def with_component(base: str, component: str) -> Rendered:
    """An overlay with one more component."""
    with TemporaryDirectory() as folder:
        resources, components = (
            os.path.relpath(FOLDER / path, Path(folder).resolve())
            for path in (f"overlays/{base}", f"components/{component}")
        )
        Path(folder, "kustomization.yaml").write_text(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: aegis-rag\n"
            f"resources: [{resources}]\ncomponents: [{components}]\n"
        )
        return render(Path(folder))


def kubectl() -> str:
    found = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")
    return found or missing("kubectl (make deployment-tools)")


def quantity(text: str | int) -> float:
    """A quantity of Kubernetes as a number: cores, or bytes."""
    units = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    unit = next((unit for unit in units if str(text).endswith(unit)), "")
    return float(str(text).removesuffix(unit)) * units.get(unit, 1)


def variables(container: Object, config: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Its variables by name: text, or the reference to a key of a Secret or ConfigMap."""
    yield from config.items() if container.get("envFrom") else ()
    for each in container.get("env", ()):
        yield each["name"], each.get("value", each.get("valueFrom"))


def containers(rendered: Rendered) -> list[tuple[str, Object]]:
    """Every container, behind a name for it."""
    return [(f"{work.name}/{each['name']}", each) for work in rendered.workloads for each in work.containers]


def mounted_keys(rendered: Rendered) -> set[str]:
    """The keys of aegis-secrets that pods have as files or variables."""
    volumes = [volume for work in rendered.workloads for volume in work.pod["volumes"]]
    files = {item["key"] for volume in volumes for item in volume.get("secret", {}).get("items", ())}
    values = [
        each.get("valueFrom", {})
        for _, container in containers(rendered)
        for each in container.get("env", ())
    ]
    return files | {each["secretKeyRef"]["key"] for each in values if "secretKeyRef" in each}
