"""KEDA in the cluster: its operator, and the adapter that the API server asks for metrics."""

import base64
from typing import Any

from tests.kubernetes.build import program
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.images import ImageStore
from tests.kubernetes.kubectl import Object

NAMESPACE = "keda"

_IMAGES = {name: f"registry.invalid/{name}:1" for name in ("keda-operator", "keda-adapter")}
_SERVICES = {"keda-operator": (9666, 9666), "keda-adapter": (443, 6443)}
"""By Service: its port, and the pod's."""

_GROUP_VERSION = "v1beta1.external.metrics.k8s.io"
_CERTIFICATES = "/certificates"
_ENVIRONMENT = {
    "WATCH_NAMESPACE": "",
    "POD_NAMESPACE": NAMESPACE,
    "POD_NAME": "keda-operator",
    "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
    "KEDA_HTTP_DEFAULT_TIMEOUT": "10000",
}
_ARGUMENTS = {
    "keda-operator": [
        "--leader-elect=false",
        "--metrics-bind-address=:8080",
        "--health-probe-bind-address=:8081",
    ],
    "keda-adapter": [
        "--secure-port=6443",
        "--port=8080",
        f"--tls-cert-file={_CERTIFICATES}/tls.crt",
        f"--tls-private-key-file={_CERTIFICATES}/tls.key",
        f"--client-ca-file={_CERTIFICATES}/ca.crt",
        f"--metrics-service-address=keda-operator.{NAMESPACE}.svc.cluster.local:9666",
    ],
}


def start(cluster: Cluster, images: ImageStore) -> None:
    """Returns when both are ready and the API server knows the metrics."""
    for name, image in _IMAGES.items():
        images.pack(image, program(name))
    kubectl = cluster.kubectl
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    kubectl.apply(*_rights(), _secret(cluster), *(_deployment(name) for name in _IMAGES))
    kubectl.apply(*(_service(name) for name in _SERVICES), _registration(cluster))
    for name in _IMAGES:
        kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{name}", "--timeout=240s")
    kubectl("wait", "--for=condition=Available", f"apiservice/{_GROUP_VERSION}", "--timeout=240s")


def _rights() -> list[Object]:
    """All: the operator changes whatever a ScaledObject names."""
    group = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata("keda")},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "keda"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "keda", "namespace": NAMESPACE}],
        },
    ]


def _secret(cluster: Cluster) -> Object:
    """One certificate for both, by which each trusts the other."""
    authority = cluster.control_plane.authority
    names = [f"{name}.{NAMESPACE}.svc{end}" for name in _SERVICES for end in ("", ".cluster.local")]
    pair = authority.issue("keda", "keda", hosts=names)
    data = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority.pair.certificate}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata("keda-certificates"),
        "stringData": {name: path.read_text() for name, path in data.items()},
    }


def _deployment(name: str) -> Object:
    container: dict[str, Any] = {
        "name": name,
        "image": _IMAGES[name],
        "imagePullPolicy": "Never",
        "args": [f"--cert-dir={_CERTIFICATES}", *_ARGUMENTS[name]],
        "env": [{"name": key, "value": value} for key, value in _ENVIRONMENT.items()],
        "volumeMounts": [{"name": "certificates", "mountPath": _CERTIFICATES}],
        "readinessProbe": {"tcpSocket": {"port": _SERVICES[name][1]}, "periodSeconds": 2},
    }
    pod = {
        "serviceAccountName": "keda",
        "containers": [container],
        "volumes": [{"name": "certificates", "secret": {"secretName": "keda-certificates"}}],
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(name),
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    }


def _service(name: str) -> Object:
    port, target = _SERVICES[name]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(name),
        "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}]},
    }


def _registration(cluster: Cluster) -> Object:
    bundle = base64.b64encode(cluster.control_plane.authority.pair.certificate.read_bytes()).decode()
    group, version = "external.metrics.k8s.io", "v1beta1"
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": _GROUP_VERSION},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"name": "keda-adapter", "namespace": NAMESPACE},
            "caBundle": bundle,
        },
    }


def _metadata(name: str) -> dict[str, str]:
    return {"name": name, "namespace": NAMESPACE}
