"""etcd, API server, controllers and scheduler of one cluster."""

from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.build import program
from tests.kubernetes.certificates import Authority, Pair
from tests.kubernetes.daemons import Daemons
from tests.kubernetes.kubectl import Kubectl, RefusedError
from tests.kubernetes.network import API_SERVICE, NODE_ADDRESS, PODS, SERVICES

SERVER = f"https://{NODE_ADDRESS}:6443"
READY_SECONDS = 180.0

_ETCD, _ETCD_PEER = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
_DOMAIN = "kubernetes.default.svc.cluster.local"
_ASKED_BY = (
    "kubernetes", "kubernetes.default", "kubernetes.default.svc", _DOMAIN,
    "localhost", "127.0.0.1", API_SERVICE, NODE_ADDRESS,
)  # fmt: skip


@dataclass
class ControlPlane:
    """Runs in the namespace of ``daemons`` with everything it writes in ``folder``."""

    folder: Path
    daemons: Daemons
    authority: Authority

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "admin.conf"

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.daemons.namespace, self.kubeconfig)

    def start(self) -> None:
        """Start everything; returns when the API server is ready."""
        self.configure("admin", "admin", group="system:masters")
        self.daemons.start("etcd", self._etcd())
        self.daemons.start("apiserver", self._api_server())
        self.daemons.until(self._is_ready, READY_SECONDS, "the API server's start")
        self.daemons.start("controllers", self._controllers())
        self.daemons.start("scheduler", self._scheduler())

    def configure(self, name: str, user: str, *, group: str = "") -> Path:
        """A kubeconfig for a client of that user name."""
        path = self.folder / f"{name}.conf"
        self.authority.write_kubeconfig(path, SERVER, self.authority.issue(name, user, group=group))
        return path

    def _is_ready(self) -> bool:
        try:
            return self.kubectl("get", "--raw", "/readyz") == "ok"
        except RefusedError:
            return False

    def _etcd(self) -> list[str]:
        return [
            str(program("etcd")),
            "--name=only",
            f"--data-dir={self.folder}/etcd",
            f"--listen-client-urls={_ETCD}",
            f"--advertise-client-urls={_ETCD}",
            f"--listen-peer-urls={_ETCD_PEER}",
            f"--initial-advertise-peer-urls={_ETCD_PEER}",
            f"--initial-cluster=only={_ETCD_PEER}",
            "--unsafe-no-fsync",
        ]

    def _api_server(self) -> list[str]:
        issue = self.authority.issue
        server = issue("apiserver", "kube-apiserver", hosts=_ASKED_BY)
        kubelet = issue("apiserver-kubelet", "apiserver-kubelet", group="system:masters")
        front = issue("front-proxy", "front-proxy")
        self.accounts: Pair = self.authority.write_account_keys()
        return [
            str(program("kube-apiserver")),
            f"--etcd-servers={_ETCD}",
            f"--advertise-address={NODE_ADDRESS}",
            f"--client-ca-file={self.authority.pair.certificate}",
            f"--tls-cert-file={server.certificate}",
            f"--tls-private-key-file={server.key}",
            f"--kubelet-client-certificate={kubelet.certificate}",
            f"--kubelet-client-key={kubelet.key}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer=https://{_DOMAIN}",
            f"--service-account-key-file={self.accounts.certificate}",
            f"--service-account-signing-key-file={self.accounts.key}",
            f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--requestheader-client-ca-file={self.authority.pair.certificate}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={front.certificate}",
            f"--proxy-client-key-file={front.key}",
            "--enable-aggregator-routing=true",
            "--profiling=false",
        ]

    def _controllers(self) -> list[str]:
        own = self.configure("controllers", "system:kube-controller-manager")
        return [
            str(program("kube-controller-manager")),
            *_identity(own),
            f"--root-ca-file={self.authority.pair.certificate}",
            f"--service-account-private-key-file={self.accounts.key}",
            "--use-service-account-credentials",
            f"--cluster-signing-cert-file={self.authority.pair.certificate}",
            f"--cluster-signing-key-file={self.authority.pair.key}",
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={PODS}",
            f"--service-cluster-ip-range={SERVICES}",
            "--horizontal-pod-autoscaler-sync-period=5s",
        ]

    def _scheduler(self) -> list[str]:
        return [
            str(program("kube-scheduler")),
            *_identity(self.configure("scheduler", "system:kube-scheduler")),
        ]


def _identity(kubeconfig: Path) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    ]
