"""deploy/k8s: every overlay holds what Kubernetes and Aegis ask of it, and none of the faults it once had."""

import json
import re
from typing import Any

import pytest
import yaml

from api.routes.health import COMPONENTS as HEALTH_COMPONENTS
from api.routes.health import router
from cli.supervisor.services import services
from rag.settings import Settings
from tasks.app import LANES
from tests.deploy.manifests import (
    COLOR,
    COMPONENT,
    COMPONENTS,
    EXAMPLE,
    FOLDER,
    LANE,
    OPTIONAL,
    OURS,
    OVERLAYS,
    Object,
    Rendered,
    Workload,
    matches,
    overlay,
    render,
    with_component,
)

PRODUCTION = [name for name in OVERLAYS if name != "embedded"]
LARGE = [name for name in PRODUCTION if name != "minimum"]
GRACE_SLACK = 5  # seconds between the last signal and the end of the grace period

every_overlay = pytest.mark.parametrize("name", OVERLAYS)


def containers(rendered: Rendered) -> list[tuple[str, Object]]:
    return [
        (f"{work.name}/{container['name']}", container)
        for work in rendered.workloads
        for container in work.containers
    ]


def test_every_component_is_in_an_overlay_or_tried_with_one() -> None:
    used = {line for path in FOLDER.glob("overlays/*/kustomization.yaml") for line in path.read_text().split()}

    assert {name for name in COMPONENTS if f"../../components/{name}" not in used} == set(OPTIONAL)


@pytest.mark.parametrize("component", sorted(OPTIONAL))
def test_an_optional_component_fits_an_overlay(component: str) -> None:
    assert with_component(*OPTIONAL[component]).workloads


@every_overlay
def test_the_namespace_enforces_restricted_pods_of_a_named_version(name: str) -> None:
    labels = overlay(name).one("Namespace", "aegis-rag")["metadata"]["labels"]

    for mode in ("enforce", "warn", "audit"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert re.fullmatch(r"v1\.\d+", labels[f"pod-security.kubernetes.io/{mode}-version"])
    assert not overlay(name).of("PodSecurityPolicy")


@every_overlay
def test_everything_of_a_namespace_is_in_that_of_aegis(name: str) -> None:
    without = {"Namespace", "PriorityClass", "StorageClass"}

    elsewhere = [
        each["metadata"]["name"]
        for each in overlay(name).objects
        if each["kind"] not in without and each["metadata"].get("namespace") != "aegis-rag"
    ]
    assert elsewhere == []


@every_overlay
def test_no_secret_is_in_a_manifest(name: str) -> None:
    assert overlay(name).of("Secret") == []


def test_the_example_of_the_secret_is_in_no_kustomization_and_names_no_real_value() -> None:
    example = yaml.safe_load(EXAMPLE.read_text())

    assert "data" not in example
    assert all("CHANGE-ME" in value for value in example["stringData"].values())
    rendered = [with_component("minimum", "external-secrets"), *map(overlay, OVERLAYS)]
    assert [each.of("Secret") for each in rendered] == [[]] * len(rendered)


@every_overlay
def test_the_example_has_every_key_that_pods_mount(name: str) -> None:
    keys = yaml.safe_load(EXAMPLE.read_text())["stringData"].keys()

    assert _mounted_keys(overlay(name)) <= keys


def _mounted_keys(rendered: Rendered) -> set[str]:
    files = {
        item["key"]
        for work in rendered.workloads
        for volume in work.pod["volumes"]
        for item in volume.get("secret", {}).get("items", ())
    }
    references = {
        each["valueFrom"]["secretKeyRef"]["key"]
        for _, container in containers(rendered)
        for each in container.get("env", ())
        if "secretKeyRef" in each.get("valueFrom", ())
    }
    return files | references


@every_overlay
def test_no_pod_mounts_a_whole_secret(name: str) -> None:
    whole = [
        work.name
        for work in overlay(name).workloads
        for volume in work.pod["volumes"]
        if "secret" in volume and not volume["secret"].get("items")
    ]
    assert whole == []


@every_overlay
def test_pods_are_restricted(name: str) -> None:
    for work in overlay(name).workloads:
        context = work.pod["securityContext"]
        assert context["runAsNonRoot"] is True, work.name
        assert context["runAsUser"] > 0, work.name  # a number: a name cannot be verified
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, work.name
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            assert key not in work.pod, work.name
    for place, container in containers(overlay(name)):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, place
        assert context["readOnlyRootFilesystem"] is True, place
        assert context["capabilities"] == {"drop": ["ALL"]}, place


@every_overlay
def test_pods_get_no_token_and_no_variables_of_services(name: str) -> None:
    accounts = {each["metadata"]["name"]: each for each in overlay(name).of("ServiceAccount")}

    assert all(each["automountServiceAccountToken"] is False for each in accounts.values())
    for work in overlay(name).workloads:
        assert work.pod["automountServiceAccountToken"] is False, work.name
        assert work.pod["enableServiceLinks"] is False, work.name
        assert work.pod["serviceAccountName"] in accounts, work.name


@every_overlay
def test_no_service_would_set_a_setting_by_its_name(name: str) -> None:
    """Kubernetes sets NAME_PORT and its like for each Service, where service links are on."""
    ours = {field.upper() for field in Settings.model_fields}
    names = [each["metadata"]["name"].upper().replace("-", "_") for each in overlay(name).of("Service")]

    injected = {f"{each}_{end}" for each in names for end in ("PORT", "HOST", "SERVICE_HOST", "SERVICE_PORT")}
    assert injected & ours == set()


@every_overlay
def test_every_image_has_a_version_and_is_not_pulled_anew(name: str) -> None:
    for place, container in containers(overlay(name)):
        image = container["image"]
        assert re.fullmatch(r"[a-z0-9./-]+(:v?\d[\w.-]*|@sha256:[0-9a-f]{64})", image), (place, image)
        assert container["imagePullPolicy"] == "IfNotPresent", place


@every_overlay
def test_our_parts_run_in_their_own_images(name: str) -> None:
    lean = ("api", "beat", "flower")
    for work in overlay(name).workloads:
        if work.component in OURS:
            image = work.component if work.component in lean else "worker"
            assert work.main["image"].partition(":")[0] == f"aegis-rag/{image}"


def test_all_our_images_are_of_one_version() -> None:
    images = {container["image"] for name in OVERLAYS for _, container in containers(overlay(name))}

    assert len({image.partition(":")[2] for image in images if image.startswith("aegis-rag/")}) == 1


@every_overlay
def test_each_lane_has_one_deployment(name: str) -> None:
    lanes = [work.labels[LANE] for work in overlay(name).workloads if work.component == "worker"]

    assert sorted(lanes) == sorted(lane.name for lane in LANES)
    for lane in lanes:
        work = overlay(name).workload(f"aegis-worker-{lane}")
        assert work.main["args"] == [f"worker-{lane}"]


@every_overlay
def test_a_selector_chooses_its_own_pods_and_nobody_elses(name: str) -> None:
    for work in overlay(name).workloads:
        chosen = [each.name for each in overlay(name).workloads if matches(work.spec["selector"], each.labels)]
        assert chosen == [work.name]


@every_overlay
def test_services_lead_to_ports_that_pods_have(name: str) -> None:
    for service in overlay(name).of("Service"):
        chosen = [
            work
            for work in overlay(name).workloads
            if service["spec"]["selector"].items() <= work.labels.items()
        ]
        assert chosen, service["metadata"]["name"]
        ports = {port["name"] for work in chosen for port in work.main["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@every_overlay
def test_everything_is_probed(name: str) -> None:
    """A dead container is started again, and none is judged before it had the time to start."""
    for work in overlay(name).workloads:
        container = work.main
        assert "livenessProbe" in container, work.name
        patient = "startupProbe" in container or container["livenessProbe"].get("initialDelaySeconds")
        assert patient, work.name
        for probe in ("startupProbe", "livenessProbe"):
            assert container.get(probe, {}).get("timeoutSeconds", 10) >= 5, work.name  # the default is 1 s


@every_overlay
def test_workers_are_probed_without_an_interpreter(name: str) -> None:
    for work in overlay(name).workloads:
        if work.component in ("worker", "beat", "broker", "vectors"):
            for probe in ("startupProbe", "livenessProbe"):
                assert work.main[probe]["exec"]["command"] == ["/usr/local/bin/healthy"]
                assert work.main[probe]["timeoutSeconds"] == 10
            assert work.main["livenessProbe"]["periodSeconds"] == 20


@every_overlay
@pytest.mark.parametrize("deployment", ["aegis-api", "aegis-api-green"])
def test_the_api_is_alive_by_itself_and_ready_by_the_broker(name: str, deployment: str) -> None:
    container = overlay(name).workload(deployment).main
    paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}

    assert paths == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready?component=broker",
    }
    known = {getattr(route, "path", "") for route in router.routes}
    assert {path.partition("?")[0] for path in paths.values()} <= known
    assert "broker" in HEALTH_COMPONENTS


@every_overlay
def test_a_rollout_takes_no_api_and_no_worker_away_first(name: str) -> None:
    for work in overlay(name).workloads:
        if work.component in ("api", "worker"):
            assert work.spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}, work.name


@every_overlay
@pytest.mark.parametrize("deployment", ["aegis-api", "aegis-api-green"])
def test_the_api_goes_on_serving_until_proxies_have_taken_it_out(name: str, deployment: str) -> None:
    assert overlay(name).workload(deployment).main["lifecycle"]["preStop"]["sleep"]["seconds"] >= 5


@every_overlay
def test_the_grace_period_outlasts_the_drain(name: str) -> None:
    settings = Settings.model_validate(
        {"redis_url": "redis://redis", "qdrant_url": "http://qdrant:6333"} if name in PRODUCTION else {}
    )
    known = {service.name: service for service in services(settings)}
    ours = [work for work in overlay(name).workloads if work.component in OURS]
    for work in ours:
        (part,) = work.main["args"]
        sleep = work.main.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drain = sum(seconds for _, seconds in known[part].stop_signals)
        assert work.pod["terminationGracePeriodSeconds"] >= sleep + drain + GRACE_SLACK, work.name


@every_overlay
def test_what_serves_may_be_evicted_one_by_one(name: str) -> None:
    budgets = overlay(name).of("PodDisruptionBudget")
    for work in overlay(name).workloads:
        if work.component not in ("beat", "flower", "broker", "vectors"):
            (budget,) = [each for each in budgets if matches(each["spec"]["selector"], work.labels)]
            assert budget["spec"]["maxUnavailable"] == 1, work.name


@every_overlay
def test_replicas_are_spread_over_zones_and_hosts(name: str) -> None:
    for work in overlay(name).workloads:
        if work.component in ("api", "worker"):
            spread = work.pod["topologySpreadConstraints"]
            assert [each["topologyKey"] for each in spread] == [
                "topology.kubernetes.io/zone",
                "kubernetes.io/hostname",
            ]
            assert all(matches(each["labelSelector"], work.labels) for each in spread)
            assert all(each["maxSkew"] == 1 for each in spread)


@every_overlay
def test_every_pod_has_a_priority_of_ours(name: str) -> None:
    classes = {each["metadata"]["name"] for each in overlay(name).of("PriorityClass")}

    assert all(each.startswith("aegis-") for each in classes)
    assert all(work.pod["priorityClassName"] in classes for work in overlay(name).workloads)


@every_overlay
def test_the_active_service_leads_to_the_colour_that_has_pods(name: str) -> None:
    rendered = overlay(name)

    assert rendered.one("Service", "aegis-api-active")["spec"]["selector"][COLOR] == "blue"
    assert rendered.workload("aegis-api").spec["replicas"] >= 2
    assert rendered.workload("aegis-api-green").spec["replicas"] == 0


def test_with_green_active_the_manifests_lead_to_green() -> None:
    rendered = with_component("minimum", "green")

    assert rendered.one("Service", "aegis-api-active")["spec"]["selector"][COLOR] == "green"
    assert rendered.workload("aegis-api").spec["replicas"] == 0
    assert rendered.workload("aegis-api-green").spec["replicas"] >= 2


@every_overlay
def test_both_colours_differ_in_nothing_but_the_colour(name: str) -> None:
    blue, green = (overlay(name).workload(each).spec["template"] for each in ("aegis-api", "aegis-api-green"))

    assert json.loads(json.dumps(green).replace('"green"', '"blue"')) == blue


@pytest.mark.parametrize("name", [name for name in LARGE if name != "gcp"])
def test_the_ingress_leads_every_path_unchanged_to_the_active_colour(name: str) -> None:
    (ingress,) = overlay(name).of("Ingress")
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]

    assert (path["path"], path["pathType"]) == ("/", "Prefix")
    assert path["backend"]["service"] == {"name": "aegis-api-active", "port": {"name": "http"}}
    assert ingress["spec"]["ingressClassName"]
    assert not [key for key in ingress["metadata"]["annotations"] if "rewrite" in key]


@pytest.mark.parametrize("name", ["recommended", "azure"])
def test_the_ingress_has_a_certificate_of_cert_manager(name: str) -> None:
    (ingress,) = overlay(name).of("Ingress")

    hosts = [rule["host"] for rule in ingress["spec"]["rules"]]
    assert ingress["spec"]["tls"] == [{"hosts": hosts, "secretName": "aegis-tls"}]
    assert "cert-manager.io/cluster-issuer" in ingress["metadata"]["annotations"]


@pytest.mark.parametrize("rendered", [lambda: overlay("gcp"), lambda: with_component("minimum", "gateway")])
def test_the_gateway_leads_to_the_active_colour_by_https_alone(rendered: Any) -> None:
    routes = {each["metadata"]["name"]: each["spec"] for each in rendered().of("HTTPRoute")}

    (rule,) = routes["aegis"]["rules"]
    assert rule["backendRefs"] == [{"name": "aegis-api-active", "port": 8910}]
    assert routes["aegis"]["parentRefs"] == [{"name": "aegis", "sectionName": "https"}]
    (redirect,) = routes["aegis-to-https"]["rules"]
    assert redirect["filters"][0]["requestRedirect"]["scheme"] == "https"


def test_the_base_runs_without_any_component() -> None:
    assert {work.component for work in render(FOLDER / "base").workloads} == {"api", "worker", "beat", "flower"}


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
            (term,) = work.pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
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
    claims = [claim["spec"] for work in overlay(name).workloads for claim in work.spec.get("volumeClaimTemplates", ())]

    assert len(claims) == 4
    assert all(claim["storageClassName"] == storage for claim in claims)
    assert all(claim["accessModes"] == ["ReadWriteOnce"] for claim in claims)


@pytest.mark.parametrize("name", ["aws", "azure", "gcp"])
def test_in_clouds_pods_have_identities_and_no_keys(name: str) -> None:
    assert not [key for key in _mounted_keys(overlay(name)) if key.startswith("aws-")]
    (secret,) = overlay(name).of("ExternalSecret")
    assert secret["spec"]["target"]["name"] == "aegis-secrets"
    (store,) = overlay(name).of("SecretStore")
    assert secret["spec"]["secretStoreRef"] == {"kind": "SecretStore", "name": store["metadata"]["name"]}


@pytest.mark.parametrize("name", ["aws", "azure", "gcp"])
def test_in_clouds_a_lost_zone_takes_one_qdrant_node(name: str) -> None:
    (zone,) = overlay(name).workload("qdrant").pod["topologySpreadConstraints"]

    assert (zone["topologyKey"], zone["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "DoNotSchedule")


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
