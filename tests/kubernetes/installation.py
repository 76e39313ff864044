"""Aegis in a cluster with a real node: the overlay ``embedded``, its own images, behind Traefik."""

import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import httpx
import yaml

from rag.settings import Settings
from rag.vectors.edge.client import RemoteVectorStore
from tests.chaos.texts import CHUNK_TOKENS
from tests.docker.images import TARGETS
from tests.kubernetes import ingress, overlays
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.kubectl import Kubectl, Object, tool
from tests.kubernetes.network import entered
from tests.kubernetes.node import Node
from tests.kubernetes.overlays import NAMESPACE
from tests.kubernetes.pods import Pods
from tests.system.running import UNSCHEDULED, until

HOST = "api.aegis.company.com"
"""The name in the overlay's certificate."""

READY_SECONDS = 600.0

_USER = 10001
_PASSWORD = "test-password-of-the-broker"
_SECRETS = {
    "redis-url": f"redis://:{_PASSWORD}@redis:6379/0",
    "redis-password": _PASSWORD,
    "message-key": "a-key-that-signs-messages-in-the-tests",
    "api-keys": "{}",
    "flower-basic-auth": "ops:test-password-of-flower",
}
_SETTINGS = {
    "ALLOW_ANONYMOUS": "true",
    "ALLOWED_HOSTS": f'["{HOST}", "*.svc"]',  # asked for only where there are no keys
    "RATE_LIMIT_REQUESTS_PER_MINUTE": "0",
    "CHUNK_TOKENS": str(CHUNK_TOKENS),
    "LEASE_SECONDS": "10",
    "TRACING_ENABLED": "false",
    **UNSCHEDULED,
}
_SMALL_REQUESTS = """\
- op: replace
  path: /spec/template/spec/containers/0/resources/requests/cpu
  value: 10m
"""
"""Machines that tests run on may have fewer cores than the overlay asks for. Memory stays as it is."""

SERVERS_IMAGE = "aegis-rag/servers:test"
"""Of broker and vector engine, the same before and after an upgrade.

There is one of each, so replacing them is felt. Larger installations have Redis and Qdrant in their place.
"""

_LASTING_SERVERS = f"""\
- op: replace
  path: /spec/template/spec/containers/0/image
  value: {SERVERS_IMAGE}
"""
_WITHOUT_KEYS = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: any
spec:
  template:
    spec:
      containers:
        - name: aegis
          env:
            - name: API_KEYS_FILE
              value: ""
"""


@dataclass
class Installation:
    """It has what an attack asks of a stack: ``url``, ``points``, :meth:`until_whole`, :meth:`keep_logs`."""

    cluster: Cluster
    node: Node
    version: str = ""
    """The tag of the images that were applied last."""

    @property
    def kubectl(self) -> Kubectl:
        return self.cluster.kubectl

    @property
    def pods(self) -> Pods:
        return Pods(self.kubectl, self.node.images)

    @cached_property
    def url(self) -> str:
        """Reachable only within the cluster's network."""
        return f"http://{ingress.address(self.kubectl)}"

    @cached_property
    def points(self) -> RemoteVectorStore:
        """The vector engine itself, asked without the API, by its socket on the volume."""
        return RemoteVectorStore(Settings(aegis_home=self._data).vector_socket, timeout=20)

    @property
    def authority(self) -> Path:
        """The certificate that the one of :data:`HOST` is signed with."""
        return self.cluster.control_plane.authority.pair.certificate

    def start(self, version: str) -> None:
        """Apply the overlay with the images of that tag, and Traefik; returns when the whole is ready."""
        self.kubectl.apply(overlays.DEFAULT_CLASS)
        self.node.images.pack(ingress.IMAGE, Path(tool("traefik")))
        objects = overlays.rendered(self.kubectl, self.write_overlay(version))
        self.kubectl.apply(*(each for each in objects if each["kind"] == "Namespace"))
        self.kubectl.apply(*self._surroundings())
        self.apply(version)
        ingress.start(self.kubectl)
        self.until_rolled_out()
        self.until_whole()

    def apply(self, version: str, *components: str) -> None:
        """Let the cluster change to the images of that tag, and to the overlay with these components more."""
        folder = self.write_overlay(version, *components)
        self.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(folder))
        self.version = version

    def until_rolled_out(self) -> None:
        """Wait until every part runs in the version that was applied, and no other."""
        objects = overlays.rendered(self.kubectl, self.cluster.folder / "overlay")
        self.cluster.daemons.require_alive()
        overlays.until_rolled_out(self.kubectl, objects)

    def write_overlay(self, version: str, *components: str) -> Path:
        """A kustomization of the overlay and Traefik's component, with what tests need otherwise."""
        folder = self.cluster.folder / "overlay"
        parts = overlays.FOLDER.parent / "components"
        folder.mkdir(exist_ok=True)
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": NAMESPACE,
            "resources": [os.path.relpath(overlays.FOLDER / "embedded", folder)],
            "components": [os.path.relpath(parts / name, folder) for name in ("ingress", *components)],
            "images": [{"name": f"aegis-rag/{name}", "newTag": version} for name in TARGETS],
            "configMapGenerator": [
                {
                    "name": "aegis-config",
                    "behavior": "merge",
                    "literals": [f"{name}={value}" for name, value in _SETTINGS.items()],
                }
            ],
            "patches": [
                {"target": {"kind": "Deployment"}, "patch": _SMALL_REQUESTS},
                {
                    "target": {"kind": "Deployment", "name": "aegis-(broker|vectors)"},
                    "patch": _LASTING_SERVERS,
                },
                {
                    "target": {"kind": "Deployment", "labelSelector": "app.kubernetes.io/component=api"},
                    "patch": _WITHOUT_KEYS,
                },
            ],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return folder

    # --- what attacks ask for

    def until_whole(self) -> None:
        """Wait until every component is ready."""
        until(self._is_whole, READY_SECONDS)

    def keep_logs(self, folder: Path) -> None:
        """Copy what pods and the cluster's programs printed, and the events."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("logs", "pod-logs"):
            shutil.copytree(self.cluster.folder / name, folder / name, dirs_exist_ok=True)
        (folder / "pods.txt").write_text(self.kubectl("get", "pods", "-A", "-o", "wide"))
        (folder / "events.txt").write_text(self.kubectl("get", "events", "-A"))

    def _is_whole(self) -> bool:
        with entered(self.cluster.network):
            try:
                return httpx.get(f"{self.url}/health/ready", timeout=20).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False

    # --- what an operator brings along

    @property
    def _data(self) -> Path:
        return self.cluster.folder / "data"

    def _surroundings(self) -> list[Object]:
        """Secrets and the disk."""
        self._data.mkdir()
        os.chown(self._data, _USER, _USER)
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "aegis-data"},
            "spec": {
                "capacity": {"storage": "50Gi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": overlays.DEFAULT_CLASS["metadata"]["name"],
                "hostPath": {"path": str(self._data)},
            },
        }
        return [volume, _secret("aegis-secrets", "Opaque", _SECRETS), self._certificate()]

    def _certificate(self) -> Object:
        pair = self.cluster.control_plane.authority.issue("ingress", HOST, hosts=[HOST])
        data = {"tls.crt": pair.certificate.read_text(), "tls.key": pair.key.read_text()}
        return _secret("aegis-tls", "kubernetes.io/tls", data)


def _secret(name: str, kind: str, data: dict[str, str]) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "stringData": data}
