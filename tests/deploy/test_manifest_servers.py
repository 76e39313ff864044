"""The servers in deploy/k8s: Qdrant, Ollama, Redis, the embedded parts, and what clouds give them."""

import pytest

from tests.deploy.manifests import (
    COMPONENT,
    LARGE,
    PRODUCTION,
    Object,
    Workload,
    matches,
    mounted_keys,
    overlay,
)


@pytest.mark.parametrize("name", PRODUCTION)
def test_the_qdrant_nodes_form_one_cluster(name: str) -> None:
    rendered = overlay(name)
    work = rendered.workload("qdrant")
    nodes = [f"http://qdrant-{number}.qdrant-headless:6333" for number in range(work.spec["replicas"])]
    script = work.main["command"][-1]

    assert rendered.config["QDRANT_URL"].split(",") == nodes
    assert work.spec["serviceName"] == "qdrant-headless"
    assert rendered.one("Service", "qdrant-headless")["spec"]["publishNotReadyAddresses"] is True
    assert 'uri="http://$HOSTNAME.qdrant-headless:6335"' in script
    assert "--bootstrap http://qdrant-0.qdrant-headless:6335" in script
    assert {"name": "QDRANT__CLUSTER__ENABLED", "value": "true"} in work.main["env"]
    assert {port["containerPort"] for port in work.main["ports"]} == {6333, 6334, 6335}
    assert work.main["image"].endswith("-unprivileged")


@pytest.mark.parametrize("name", PRODUCTION)
def test_qdrant_is_probed_where_it_answers_without_a_key(name: str) -> None:
    container = overlay(name).workload("qdrant").main

    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert "key" in _variable(container, "QDRANT__SERVICE__API_KEY")["valueFrom"]["secretKeyRef"]


@pytest.mark.parametrize("name", PRODUCTION)
def test_no_two_servers_of_a_kind_share_a_node(name: str) -> None:
    kinds = {"qdrant", "redis", "sentinel"} if name in LARGE else {"qdrant"}
    for work in overlay(name).workloads:
        if work.component in kinds:
            (term,) = work.pod["affinity"]["podAntiAffinity"][
                "requiredDuringSchedulingIgnoredDuringExecution"
            ]
            assert term["topologyKey"] == "kubernetes.io/hostname"
            assert matches(term["labelSelector"], work.labels)


@pytest.mark.parametrize("name", PRODUCTION)
def test_every_ollama_replica_is_named_and_has_the_model_before_it_serves(name: str) -> None:
    rendered = overlay(name)
    work = rendered.workload("ollama")
    replicas = [f"http://ollama-{number}.ollama-headless:11434" for number in range(work.spec["replicas"])]

    assert rendered.config["OLLAMA_URL"].split(",") == replicas
    (pull,) = work.pod["initContainers"]
    assert pull["image"] == work.main["image"]
    assert _variable(pull, "OLLAMA_MODEL")["valueFrom"]["configMapKeyRef"]["key"] == "OLLAMA_MODEL"
    models = {"name": "models", "mountPath": "/models"}
    assert models in pull["volumeMounts"]
    assert models in work.main["volumeMounts"]


@pytest.mark.parametrize("name", LARGE)
def test_each_ollama_replica_has_a_gpu(name: str) -> None:
    work = overlay(name).workload("ollama")

    assert work.main["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert work.pod["nodeSelector"] == {"aegis-rag/pool": "gpu"}
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in work.pod["tolerations"]


@pytest.mark.parametrize("name", LARGE)
def test_nobody_is_led_to_a_redis_that_may_be_the_replica(name: str) -> None:
    names = {each["metadata"]["name"] for each in overlay(name).of("Service")}

    assert "redis" not in names
    assert {"redis-headless", "redis-sentinel"} <= names
    assert overlay(name).workload("redis-sentinel").spec["replicas"] == 3


@pytest.mark.parametrize(
    ("name", "storage"), [("aws", "gp3"), ("azure", "managed-csi-premium"), ("gcp", "premium-rwo")]
)
def test_the_clouds_servers_write_to_disks_of_their_own(name: str, storage: str) -> None:
    claims = [
        claim["spec"]
        for work in overlay(name).workloads
        for claim in work.spec.get("volumeClaimTemplates", ())
    ]

    assert len(claims) == 4
    assert all(claim["storageClassName"] == storage for claim in claims)
    assert all(claim["accessModes"] == ["ReadWriteOnce"] for claim in claims)


@pytest.mark.parametrize("name", ["aws", "azure", "gcp"])
def test_in_clouds_pods_have_identities_and_no_keys(name: str) -> None:
    assert not [key for key in mounted_keys(overlay(name)) if key.startswith("aws-")]
    (secret,) = overlay(name).of("ExternalSecret")
    assert secret["spec"]["target"]["name"] == "aegis-secrets"
    (store,) = overlay(name).of("SecretStore")
    assert secret["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": store["metadata"]["name"]}


@pytest.mark.parametrize("name", ["aws", "azure", "gcp"])
def test_in_clouds_a_lost_zone_takes_one_qdrant_node(name: str) -> None:
    (zone,) = overlay(name).workload("qdrant").pod["topologySpreadConstraints"]

    assert (zone["topologyKey"], zone["whenUnsatisfiable"]) == (
        "topology.kubernetes.io/zone",
        "DoNotSchedule",
    )


def test_all_embedded_parts_are_where_the_disk_is() -> None:
    rendered = overlay("embedded")
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "aegis-data"}}

    (data,) = rendered.of("PersistentVolumeClaim")
    assert data["spec"]["accessModes"] == ["ReadWriteOnce"]
    for work in rendered.workloads:
        if work.component in ("api", "worker", "broker", "vectors"):
            assert claim in work.pod["volumes"], work.name
        if work.component in ("api", "worker", "broker"):
            assert _stands_beside(work, "vectors"), work.name
        if work.component in ("broker", "vectors"):
            assert work.spec["strategy"] == {"type": "Recreate"}
    assert rendered.one("Service", "redis")["spec"]["selector"] == {COMPONENT: "broker"}


def _stands_beside(work: Workload, component: str) -> bool:
    (term,) = work.pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    same_node = bool(term["topologyKey"] == "kubernetes.io/hostname")
    return same_node and matches(term["labelSelector"], {COMPONENT: component})


def _variable(container: Object, name: str) -> Object:
    (found,) = [each for each in container["env"] if each["name"] == name]
    return dict(found)
