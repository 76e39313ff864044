"""kubectl, run inside a cluster's network."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.building import NotBuildableError
from tests.kubernetes.network import entered

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""


class RefusedError(Exception):
    """kubectl ended with an error; the message is what it printed."""


def tool(name: str) -> str:
    """A program of this environment, else of the path."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise NotBuildableError(f"{name} is not here: make deployment-tools installs it")
    return found


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Calls of one cluster as one user."""

    network: Path
    kubeconfig: Path

    def __call__(self, *arguments: str, objects: object = None, seconds: float = 300) -> str:
        """What it prints. ``objects`` are given to it as JSON on its standard input.

        Raises RefusedError where it fails or takes longer than ``seconds``.
        """
        given = None if objects is None else json.dumps(objects)
        with entered(self.network):
            try:
                ended = subprocess.run(
                    [tool("kubectl"), *arguments], input=given, env=self.environment(), capture_output=True,
                    text=True, timeout=seconds, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired as error:
                raise RefusedError(f"kubectl {' '.join(arguments)} took over {seconds} s") from error
        if ended.returncode:
            raise RefusedError(f"kubectl {' '.join(arguments)}: {ended.stderr or ended.stdout}")
        return ended.stdout

    def environment(self) -> Mapping[str, str]:
        """For programs that call kubectl themselves."""
        path = f"{Path(tool('kubectl')).parent}:{os.environ['PATH']}"
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def apply(self, *objects: Object) -> None:
        """Create or change them as their only manager."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self("apply", "--server-side", "--force-conflicts", "-f", "-", objects=listed)

    def get(self, kind: str, name: str, namespace: str = "aegis-rag") -> Object:
        found: Object = json.loads(self("-n", namespace, "get", kind, name, "-o", "json"))
        return found

    def items(self, kind: str, namespace: str = "aegis-rag", labels: str = "") -> list[Object]:
        """Objects of a kind, those with the labels only where some are given."""
        chosen = ["-l", labels] if labels else []
        found: list[Object] = json.loads(self("-n", namespace, "get", kind, *chosen, "-o", "json"))["items"]
        return found
