"""deploy/k8s: each overlay has what Aegis needs; its images, secrets, Services and colours fit together."""

import json
import re
from typing import Any

import pytest
import yaml

from tasks.lanes import LANES
from tests.deploy.manifests import (
    COLOR,
    COMPONENTS,
    EXAMPLE,
    FOLDER,
    LANE,
    LARGE,
    OPTIONAL,
    OURS,
    OVERLAYS,
    ROOT,
    containers,
    every_overlay,
    matches,
    mounted_keys,
    overlay,
    render,
    with_component,
)

NOWHERE = "aegis-nowhere"
"""The Service without pods: the figures are not for callers from outside."""


def test_every_component_is_in_an_overlay_or_tried_with_one() -> None:
    used = {
        line for path in FOLDER.glob("overlays/*/kustomization.yaml") for line in path.read_text().split()
    }

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

    assert mounted_keys(overlay(name)) <= keys


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
        chosen = [
            each.name for each in overlay(name).workloads if matches(work.spec["selector"], each.labels)
        ]
        assert chosen == [work.name]


@every_overlay
def test_services_lead_to_ports_that_pods_have(name: str) -> None:
    for service in overlay(name).of("Service"):
        chosen = [
            work
            for work in overlay(name).workloads
            if service["spec"]["selector"].items() <= work.labels.items()
        ]
        assert bool(chosen) != (service["metadata"]["name"] == NOWHERE), service["metadata"]["name"]
        if not chosen:
            continue
        ports = {port["name"] for work in chosen for port in work.main["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


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
    led = {
        (path["path"], path["pathType"]): path["backend"]["service"]["name"] for path in rule["http"]["paths"]
    }

    assert led == {("/", "Prefix"): "aegis-api-active", ("/metrics", "Exact"): NOWHERE}
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

    led = {
        (match["path"]["value"], match["path"]["type"]): target["name"]
        for rule in routes["aegis"]["rules"]
        for match in rule["matches"]
        for target in rule["backendRefs"]
    }
    assert led == {("/", "PathPrefix"): "aegis-api-active", ("/metrics", "Exact"): NOWHERE}
    assert routes["aegis"]["parentRefs"] == [{"name": "aegis", "sectionName": "https"}]
    (redirect,) = routes["aegis-to-https"]["rules"]
    assert redirect["filters"][0]["requestRedirect"]["scheme"] == "https"


def test_the_base_runs_without_any_component() -> None:
    assert {work.component for work in render(FOLDER / "base").workloads} == {
        "api",
        "worker",
        "beat",
        "flower",
    }


def test_the_page_names_files_that_there_are_and_every_component() -> None:
    page = (ROOT / "docs/deploy/kubernetes.md").read_text()
    named = set(re.findall(r"deploy/k8s(?:/[\w.-]+)+", page))

    assert {path for path in named if not (ROOT / path).exists()} == set()
    parts = page.partition("| component | brings |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z0-9-]+)`", parts)) - {"monitoring"} == set(COMPONENTS)


@pytest.mark.parametrize(("name", "idle"), [("recommended", 90), ("azure", 90), ("aws", 330), ("gcp", 600)])
def test_the_proxy_closes_idle_connections_before_the_api_does(name: str, idle: int) -> None:
    """Seconds that Traefik by default, the annotation of Amazon's, and Google's balancer keep one."""
    annotations = [each["metadata"].get("annotations", {}) for each in overlay(name).of("Ingress")]
    given = [
        re.search(r"idle_timeout.timeout_seconds=(\d+)", value)
        for one in annotations
        for value in one.values()
    ]

    assert {int(found[1]) for found in given if found} <= {idle}
    assert int(overlay(name).config["API_KEEP_ALIVE"]) > idle
