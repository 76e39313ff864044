"""CoreDNS in the cluster, as the Service that the kubelet tells every pod of."""

from tests.kubernetes.images import COREDNS
from tests.kubernetes.kubectl import Object
from tests.kubernetes.network import DNS_SERVICE

NAMESPACE = "kube-system"

_CONFIGURATION = """\
.:53 {
    errors
    ready :8181
    kubernetes cluster.local in-addr.arpa {
        pods insecure
    }
    cache 5
}
"""
_GROUP = "rbac.authorization.k8s.io"
_LABELS = {"k8s-app": "kube-dns"}


def objects() -> list[Object]:
    named = {"name": "coredns", "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named},
        *_rights(),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": named, "data": {"Corefile": _CONFIGURATION}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": named,
            "spec": {
                "selector": {"matchLabels": _LABELS},
                "template": {"metadata": {"labels": _LABELS}, "spec": _pod()},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": NAMESPACE},
            "spec": {
                "clusterIP": DNS_SERVICE,
                "selector": _LABELS,
                "ports": [{"name": name, "port": 53, "protocol": name.upper()} for name in ("udp", "tcp")],
            },
        },
    ]


def _rights() -> list[Object]:
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    role = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": "coredns"}
    account = {"kind": "ServiceAccount", "name": "coredns", "namespace": NAMESPACE}
    common = {"apiVersion": f"{_GROUP}/v1", "metadata": {"name": "coredns"}}
    return [
        {**common, "kind": "ClusterRole", "rules": rules},
        {**common, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [account]},
    ]


def _pod() -> Object:
    container = {
        "name": "coredns",
        "image": COREDNS,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns"}],
    }
    volume = {"name": "configuration", "configMap": {"name": "coredns"}}
    return {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [volume],
    }
