"""Real pods: their network from within, and strangers among them."""

import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.images import PAUSE, ImageStore
from tests.kubernetes.kubectl import Kubectl, Object
from tests.kubernetes.network import DNS_SERVICE, entered

CONNECT_SECONDS = 3.0

_A_RECORD, _INTERNET = 1, 1
_HEADER = struct.Struct(">HHHHHH")
_QUESTION = struct.Struct(">HH")


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of one real node."""

    kubectl: Kubectl
    images: ImageStore

    def names(self, labels: str, namespace: str = "aegis-rag") -> list[str]:
        """Of pods that are not about to end."""
        found = self.kubectl.items("pods", namespace, labels)
        return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def network_of(self, name: str, namespace: str = "aegis-rag") -> Path:
        """The file that the pod's network namespace stands for."""
        return Path(f"/proc/{self.images.pid_of(self.container_of(name, namespace))}/ns/net")

    def container_of(self, name: str, namespace: str = "aegis-rag") -> str:
        """The id that containerd knows the pod's first container by."""
        pod = self.kubectl.get("pod", name, namespace)
        container: str = pod["status"]["containerStatuses"][0]["containerID"]
        return container.rpartition("/")[2]

    def evict(self, name: str, namespace: str = "aegis-rag") -> None:
        """Ask for the pod's end as a drain does. Raises RefusedError where a disruption budget forbids it."""
        metadata = {"name": name, "namespace": namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        self.kubectl("create", "--raw", path, "-f", "-", objects=eviction)

    @contextmanager
    def idle(self, namespace: str, pods: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, "Place"]]:
        """Pods by name with their labels, which do nothing, there while the block runs; their places."""
        self.kubectl.apply(*(_idle(name, namespace, dict(labels)) for name, labels in pods.items()))
        names = [f"pod/{name}" for name in pods]
        self.kubectl("-n", namespace, "wait", "--for=condition=Ready", *names, "--timeout=240s")
        try:
            yield {name: Place(self.network_of(name, namespace)) for name in pods}
        finally:
            self.kubectl("-n", namespace, "delete", *names, "--grace-period=1")

    def address_of(self, name: str, namespace: str = "aegis-rag") -> str:
        found: str = self.kubectl.get("pod", name, namespace)["status"]["podIP"]
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """A network namespace that connections are tried from."""

    network: Path

    def reaches(self, host: str, port: int) -> bool:
        """Whether a TCP connection opens. A host by name is looked up in the cluster's DNS."""
        with entered(self.network):
            address = host if _is_address(host) else _looked_up(host)
            if address is None:
                return False
            try:
                socket.create_connection((address, port), CONNECT_SECONDS).close()
            except OSError:
                return False
            return True

    @contextmanager
    def listening(self, *ports: int) -> Iterator[None]:
        """Let connections in; the kernel takes them as long as nobody accepts them."""
        with ExitStack() as stack:
            with entered(self.network):
                for port in ports:
                    stack.enter_context(socket.create_server(("", port), backlog=100))
            yield

    def resolves(self, name: str) -> bool:
        with entered(self.network):
            return _looked_up(name) is not None


def _is_address(host: str) -> bool:
    return host.replace(".", "").isdecimal()


def _looked_up(name: str) -> str | None:
    """The address of a name by RFC 1035, asked of the cluster's DNS; None where no answer comes."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = _HEADER.pack(1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + _QUESTION.pack(_A_RECORD, _INTERNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(CONNECT_SECONDS)
        try:
            asking.sendto(query, (DNS_SERVICE, 53))
            answer = asking.recv(512)
        except OSError:
            return None
    found = _HEADER.unpack_from(answer)[3]
    return socket.inet_ntoa(answer[-4:]) if found else None  # the record's data comes last


def _idle(name: str, namespace: str, labels: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "idle",
                    "image": PAUSE,
                    "imagePullPolicy": "Never",
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
