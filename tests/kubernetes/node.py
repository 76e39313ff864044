"""A real node: containerd, kubelet, kube-proxy, and kube-router, which enforces network policies."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kubernetes import footprint
from tests.kubernetes.build import program
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.daemons import Daemons
from tests.kubernetes.images import PAUSE, ImageStore
from tests.kubernetes.kubectl import Kubectl, RefusedError
from tests.kubernetes.network import DNS_SERVICE, NODE_ADDRESS, NODE_PODS, PODS, SERVICES

NAME = "node-1"
READY_SECONDS = 180.0

_CONTAINERD = """\
version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
  address = "{folder}/containerd.sock"
[ttrpc]
  address = "{folder}/containerd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  # Where root may not lower scores, runc dies without this with "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      BinaryName = "{runc}"
      Root = "{folder}/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
"""


@dataclass
class Node:
    """One machine of the cluster. Its programs are the cluster's daemons."""

    folder: Path
    daemons: Daemons
    control_plane: ControlPlane
    kubectl: Kubectl

    @property
    def images(self) -> ImageStore:
        return ImageStore(self.folder / "containerd.sock")

    def start(self) -> None:
        """Returns when the node is ready for pods."""
        footprint.note_machine(self.folder)
        cgroup = footprint.create_cgroups(self.folder)
        self._write_network()
        self._start_containerd()
        self._start_kubelet(cgroup)
        self._start_proxy()
        self.daemons.until(self._is_ready, READY_SECONDS, f"{NAME}'s start")
        self._start_policies()

    def _is_ready(self) -> bool:
        try:
            conditions = self.kubectl.get("node", NAME)["status"]["conditions"]
        except RefusedError:
            return False
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def _write_network(self) -> None:
        bridge: dict[str, Any] = {
            "type": "bridge",
            "bridge": "pods",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": NODE_PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": f"{self.folder}/addresses",
            },
        }
        network = {"cniVersion": "0.4.0", "name": self.folder.name, "plugins": [bridge]}
        (self.folder / "cni").mkdir()
        (self.folder / "cni" / "10-pods.conflist").write_text(json.dumps(network))

    def _start_containerd(self) -> None:
        configuration = self.folder / "containerd.toml"
        plugins = program("host-local").parent
        written = _CONTAINERD.format(folder=self.folder, pause=PAUSE, runc=program("runc"), plugins=plugins)
        configuration.write_text(written)
        self.daemons.start("containerd", [str(program("containerd")), "--config", str(configuration)])
        self.daemons.until(self.images.socket.exists, READY_SECONDS, "containerd's start")
        self.images.pack(PAUSE, program("pause"))

    def _start_kubelet(self, cgroup: str) -> None:
        configuration = self.folder / "kubelet.json"
        configuration.write_text(json.dumps(self._kubelet(cgroup)))
        own = self.control_plane.configure("kubelet", f"system:node:{NAME}", group="system:nodes")
        command = [
            str(program("kubelet")),
            f"--config={configuration}",
            f"--kubeconfig={own}",
            f"--hostname-override={NAME}",
            f"--node-ip={NODE_ADDRESS}",
            f"--root-dir={self.folder}/kubelet",
        ]
        self.daemons.start("kubelet", command)

    def _kubelet(self, cgroup: str) -> dict[str, Any]:
        authority = self.control_plane.authority
        server = authority.issue("kubelet-server", NAME, hosts=[NAME, NODE_ADDRESS])
        resolver = self.folder / "resolv.conf"
        resolver.write_text("")
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "tlsCertFile": str(server.certificate),
            "tlsPrivateKeyFile": str(server.key),
            "authentication": {
                "anonymous": {"enabled": False},
                "x509": {"clientCAFile": str(authority.pair.certificate)},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroup,
            "failSwapOn": False,
            "failCgroupV1": False,
            "clusterDomain": "cluster.local",
            "clusterDNS": [DNS_SERVICE],
            "resolvConf": str(resolver),
            "containerRuntimeEndpoint": f"unix://{self.images.socket}",
            "podLogsDir": f"{self.folder}/pod-logs",
            "imageMinimumGCAge": "24h",
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {
                "memory.available": "200Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
            "serializeImagePulls": False,
        }

    def _start_proxy(self) -> None:
        own = self.control_plane.configure("proxy", "system:kube-proxy")
        command = [
            str(program("kube-proxy")),
            f"--kubeconfig={own}",
            f"--hostname-override={NAME}",
            f"--cluster-cidr={PODS}",
            "--proxy-mode=nftables",
            "--conntrack-max-per-core=0",
        ]
        self.daemons.start("proxy", command)

    def _start_policies(self) -> None:
        command = [
            str(program("kube-router")),
            f"--kubeconfig={self.control_plane.kubeconfig}",
            f"--hostname-override={NAME}",
            f"--service-cluster-ip-range={SERVICES}",
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
        ]
        self.daemons.start("policies", command, {**os.environ, "NODE_NAME": NAME})
