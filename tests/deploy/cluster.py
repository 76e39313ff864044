"""The cluster that ``fake_kubectl.py`` works on, and runs of the scripts of deploy/ against it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FAKE = Path(__file__).with_name("fake_kubectl.py")
REAL = Path(sys.executable).with_name("kubectl")
LANES = ("embed", "parse")


class Cluster:
    """The state of the fake cluster, and runs of the script against it."""

    def __init__(self, folder: Path, programs: Path | None = None) -> None:
        self.path = folder / "cluster.json"
        programs = programs or folder / "bin"
        programs.mkdir(exist_ok=True)
        kubectl = programs / "kubectl"
        kubectl.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {FAKE} "$@"\n')
        kubectl.chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "FAKE_CLUSTER": str(self.path),
            "REAL_KUBECTL": str(REAL),
            "USER": "operator",
        }
        self.write(new_state())

    def read(self) -> dict[str, Any]:
        return json.loads(self.path.read_text())

    def write(self, state: dict[str, Any]) -> None:
        self.path.write_text(json.dumps(state))

    def given(self, **facts: Any) -> None:
        self.write(self.read() | facts)

    def find(self, name: str) -> dict[str, Any]:
        return self.read()["objects"][name]

    def change(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        state = self.read()
        change(state["objects"][name])
        self.write(state)

    @property
    def serving(self) -> str:
        return self.find("service/aegis-api-active")["spec"]["selector"]["aegis-rag/color"]

    def replicas(self, deployment: str) -> int:
        return self.find(f"deployment/{deployment}")["spec"]["replicas"]

    def image(self, deployment: str) -> str:
        return self.find(f"deployment/{deployment}")["spec"]["template"]["spec"]["containers"][0]["image"]

    @property
    def parts(self) -> set[str]:
        return {self.image(name) for name in ("aegis-worker-embed", "aegis-worker-parse", "aegis-beat")}

    @property
    def is_locked(self) -> bool:
        return "lease/aegis-blue-green" in self.read()["objects"]

    def start(self, script: Path, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", script, *arguments],
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, script: Path, *arguments: str) -> tuple[int, str]:
        """The exit status, and everything that was printed."""
        running = self.start(script, *arguments)
        out, err = running.communicate(timeout=170)
        return running.returncode, out + err

    def until_waiting(self, word: str) -> None:
        """Until a slow call with that word has taken effect."""
        deadline = time.monotonic() + 60
        while word not in self.read().get("waiting", ""):
            assert time.monotonic() < deadline, f"no call with {word}"
            time.sleep(0.05)


def new_state() -> dict[str, Any]:
    objects = {
        "service/aegis-api-active": service("blue"),
        "service/aegis-api-blue": service("blue"),
        "service/aegis-api-green": service("green"),
        "deployment/aegis-api": deployment("aegis-api", "api", 3, "blue"),
        "deployment/aegis-api-green": deployment("aegis-api-green", "api", 0, "green"),
        "deployment/aegis-beat": deployment("aegis-beat", "beat", 1),
        "deployment/aegis-flower": deployment("aegis-flower", "flower", 1),
        "deployment/qdrant-operator": deployment("qdrant-operator", "qdrant", 1),
    }
    for lane in LANES:
        objects[f"deployment/aegis-worker-{lane}"] = deployment(f"aegis-worker-{lane}", "worker", 1)
    return {
        "objects": objects,
        "calls": [],
        "history": {},
        "broken": [],
        "failing": [],
        "slow": [],
        "requests": {"blue": 1000, "green": 0},
    }


def service(color: str) -> dict[str, Any]:
    return {"spec": {"selector": {"app.kubernetes.io/component": "api", "aegis-rag/color": color}}}


def deployment(name: str, component: str, replicas: int, color: str = "") -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": component} | ({"aegis-rag/color": color} if color else {})
    containers = [{"name": component, "image": f"registry.example:5000/aegis-rag/{component}:1"}]
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
        "status": {"readyReplicas": replicas},
    }
