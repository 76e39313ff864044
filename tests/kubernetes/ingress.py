"""Traefik as the Ingress controller of the cluster, in a namespace of its own."""

from tests.kubernetes.kubectl import Kubectl, Object

NAMESPACE = "traefik"
IMAGE = "registry.invalid/traefik:1"

_GROUP = "rbac.authorization.k8s.io"
_LABELS = {"app": "traefik"}
_PORTS = {"web": (80, 8000), "websecure": (443, 8443)}
"""By entry point: the Service's port, and the pod's."""


def start(kubectl: Kubectl) -> None:
    """Returns when it is ready."""
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    kubectl.apply(*_rights(), *_workload(), _way_without_a_name())
    kubectl("-n", NAMESPACE, "rollout", "status", "deployment/traefik", "--timeout=180s")


def address(kubectl: Kubectl) -> str:
    """Of its Service; port 80 leads to the API whatever host is asked for, 443 only under the name."""
    found: str = kubectl.get("service", "traefik", NAMESPACE)["spec"]["clusterIP"]
    return found


def _rights() -> list[Object]:
    rules = [
        {"apiGroups": [""], "resources": ["services", "secrets", "nodes"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        {
            "apiGroups": ["networking.k8s.io"],
            "resources": ["ingresses", "ingressclasses"],
            "verbs": ["get", "list", "watch"],
        },
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"]},
    ]
    common = {"apiVersion": f"{_GROUP}/v1", "metadata": {"name": "traefik"}}
    role = {"apiGroup": _GROUP, "kind": "ClusterRole", "name": "traefik"}
    account = {"kind": "ServiceAccount", "name": "traefik", "namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata()},
        {**common, "kind": "ClusterRole", "rules": rules},
        {**common, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [account]},
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "traefik"},
            "spec": {"controller": "traefik.io/ingress-controller"},
        },
    ]


def _workload() -> list[Object]:
    container = {
        "name": "traefik",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "args": [
            *(f"--entrypoints.{name}.address=:{port}" for name, (_, port) in _PORTS.items()),
            "--entrypoints.websecure.http.tls=true",  # as its Helm chart has it
            "--providers.kubernetesingress.ingressclass=traefik",
            "--global.checknewversion=false",
            "--accesslog",
            "--ping",
        ],
        "readinessProbe": {"httpGet": {"path": "/ping", "port": 8080}, "periodSeconds": 2},
    }
    template = {
        "metadata": {"labels": _LABELS},
        "spec": {"serviceAccountName": "traefik", "containers": [container]},
    }
    ports = [{"name": name, "port": port, "targetPort": to} for name, (port, to) in _PORTS.items()]
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _metadata(),
            "spec": {"selector": {"matchLabels": _LABELS}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _metadata(),
            "spec": {"selector": _LABELS, "ports": ports},
        },
    ]


def _way_without_a_name() -> Object:
    """For callers that know an address alone: the same way as the overlay's Ingress, without TLS."""
    backend = {"service": {"name": "aegis-api-active", "port": {"name": "http"}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "by-address", "namespace": "aegis-rag"},
        "spec": {
            "ingressClassName": "traefik",
            "rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
        },
    }


def _metadata() -> dict[str, str]:
    return {"name": "traefik", "namespace": NAMESPACE}
