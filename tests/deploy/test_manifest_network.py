"""The NetworkPolicies of deploy/k8s: who may connect to whom, both ends of each arrow, and their table."""

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tasks.submit.submissions import LANES
from tests.deploy.manifests import (
    COMPONENT,
    LANE,
    OVERLAYS,
    ROOT,
    Labels,
    Object,
    Rendered,
    Workload,
    every_overlay,
    matches,
    overlay,
    with_component,
)

PAGE = ROOT / "docs/deploy/kubernetes.md"
ENGINE_LANES = {"parse", "ocr", "embed", "index", "rerank", "maintenance", "backup"}
PARTS = {"api", "beat", "flower", *ENGINE_LANES, "fetch", "embed-query", "generate"}
SINGLE = {
    **dict.fromkeys(((part, "redis", 6379) for part in PARTS), ""),
    **dict.fromkeys(((lane, "qdrant", port) for lane in ENGINE_LANES for port in (6333, 6334)), ""),
    ("generate", "ollama", 11434): "",
    ("qdrant", "qdrant", 6335): "",
}
"""The arrows within the namespace of the smallest installation."""

SENTINEL = {
    **dict.fromkeys(((part, "sentinel", 26379) for part in {*PARTS, "redis", "sentinel"}), ""),
    ("redis", "redis", 6379): "",
    ("sentinel", "redis", 6379): "",
}
EMBEDDED = dict.fromkeys(((part, "broker", 6379) for part in PARTS), "")
ARROWS = {
    "embedded": EMBEDDED,
    "minimum": SINGLE,
    **dict.fromkeys(("recommended", "aws", "azure", "gcp"), SINGLE | SENTINEL),
}

NOT_PUBLIC = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "fd00::1",
    "fe80::1",
)
PUBLIC = ("1.1.1.1", "198.51.100.7", "2606:4700::1111")


def who(work: Workload) -> str:
    return work.labels.get(LANE, work.labels[COMPONENT])


def rules(rendered: Rendered, work: Workload, direction: str) -> Iterator[Object]:
    """The rules of all policies that choose the pods, in one direction."""
    for policy in rendered.of("NetworkPolicy"):
        spec = policy["spec"]
        if direction.capitalize() in spec["policyTypes"] and matches(spec["podSelector"], work.labels):
            yield from spec.get(direction, ())


def lets_pass(rule: Object, key: str, labels: Labels, port: int) -> bool:
    """Whether a rule lets pods with ``labels``, in the namespace of Aegis, pass at a port."""
    peers = [
        each["podSelector"] for each in rule[key] if "podSelector" in each and "namespaceSelector" not in each
    ]
    ports = {each["port"] for each in rule["ports"]}
    return port in ports and any(matches(each, labels) for each in peers)


def arrows(rendered: Rendered, direction: str) -> set[tuple[str, str, int]]:
    """(source, target, port) of all connections that one direction's policies let pass."""
    works = rendered.workloads
    ports = {port["containerPort"] for work in works for port in work.main.get("ports", ())}
    key, found = ("to" if direction == "egress" else "from"), set()
    for work in works:
        for rule in rules(rendered, work, direction):
            for peer in works:
                ends = (work, peer) if direction == "egress" else (peer, work)
                found |= {
                    (who(ends[0]), who(ends[1]), port)
                    for port in ports
                    if lets_pass(rule, key, peer.labels, port)
                }
    return found


@every_overlay
def test_nothing_passes_without_a_policy_of_its_own(name: str) -> None:
    spec = overlay(name).one("NetworkPolicy", "deny-all")["spec"]

    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@every_overlay
def test_every_pod_may_ask_for_names_by_udp_and_tcp(name: str) -> None:
    for work in overlay(name).workloads:
        asked = {
            (port["protocol"], port["port"])
            for rule in rules(overlay(name), work, "egress")
            for peer in rule["to"]
            if peer.get("podSelector") == {"matchLabels": {"k8s-app": "kube-dns"}}
            for port in rule["ports"]
        }
        assert asked == {("UDP", 53), ("TCP", 53)}, work.name


@every_overlay
def test_the_arrows_between_the_pods_are_those_that_the_code_needs(name: str) -> None:
    assert arrows(overlay(name), "egress") == set(ARROWS[name])


@every_overlay
def test_no_arrow_is_open_at_one_end_only(name: str) -> None:
    rendered = overlay(name)

    assert arrows(rendered, "ingress") == arrows(rendered, "egress")


@every_overlay
def test_no_policy_chooses_pods_that_there_are_not(name: str) -> None:
    for policy in overlay(name).of("NetworkPolicy"):
        selector = policy["spec"]["podSelector"]
        about = policy["metadata"]["name"]
        if about == "challenge-from-ingress":  # of a pod that cert-manager starts
            continue
        assert any(matches(selector, work.labels) for work in overlay(name).workloads), about


def leads_out(rendered: Rendered, address: str) -> set[tuple[str, int]]:
    """(part, port) of all connections to an address outside that policies let pass."""
    return {
        (who(work), port["port"])
        for work in rendered.workloads
        for rule in rules(rendered, work, "egress")
        if any(_contains(peer.get("ipBlock"), address) for peer in rule["to"])
        for port in rule["ports"]
    }


def _contains(block: Any, address: str) -> bool:
    if block is None or ip_address(address) not in ip_network(block["cidr"]):
        return False
    return all(ip_address(address) not in ip_network(each) for each in block.get("except", ()))


@every_overlay
@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_nobody_reaches_private_addresses_and_the_nodes_identity(name: str, address: str) -> None:
    reached = leads_out(overlay(name), address)

    if (name, address) == ("gcp", "169.254.169.254"):  # it hands out the pod's own identity there
        assert reached == {(part, 80) for part in PARTS - {"beat", "flower"}}
    else:
        assert reached == set()


@every_overlay
@pytest.mark.parametrize("address", PUBLIC)
def test_the_internet_is_reached_by_those_who_need_it(name: str, address: str) -> None:
    reached = leads_out(overlay(name), address)

    if name == "embedded":
        assert reached == {("fetch", 80), ("fetch", 443)}
    else:
        parts = PARTS - {"beat", "flower"}
        assert reached == {("fetch", 80), ("ollama", 443), *((part, 443) for part in parts)}


@every_overlay
def test_the_api_is_reached_from_outside_only_where_a_namespace_or_network_is_named(name: str) -> None:
    rendered = overlay(name)
    peers = [
        peer for rule in rules(rendered, rendered.workload("aegis-api"), "ingress") for peer in rule["from"]
    ]

    assert all(
        peer.get("namespaceSelector", {}).get("matchLabels", {}).keys() == {"kubernetes.io/metadata.name"}
        or "ipBlock" in peer
        for peer in peers
    )


def test_prometheus_and_the_collector_of_traces_are_let_in_and_reached() -> None:
    scraped = with_component("minimum", "prometheus")
    traced = with_component("minimum", "tracing")

    of_parts = {f"{part}-from-prometheus" for part in ("api", "worker", "qdrant", "flower")}
    assert of_parts <= _names(scraped)
    assert "parts-to-jaeger" in _names(traced)


@every_overlay
def test_each_worker_shows_its_figures_where_prometheus_is_let_in_and_nobody_else(name: str) -> None:
    workers = [work for work in overlay(name).workloads if work.labels.get(COMPONENT) == "worker"]
    policy = with_component("minimum", "prometheus").one("NetworkPolicy", "worker-from-prometheus")["spec"]
    (rule,) = policy["ingress"]
    (port,) = (each["port"] for each in rule["ports"])

    assert len(workers) == len(LANES)
    for work in workers:
        settings = {each["name"]: each["value"] for each in work.main["env"] if "value" in each}
        assert work.main["ports"] == [{"name": "metrics", "containerPort": port}]
        assert settings["METRICS_PORT"] == str(port)
        assert matches(policy["podSelector"], work.labels)
        assert not list(rules(overlay(name), work, "ingress"))


def _names(rendered: Rendered) -> set[str]:
    return {each["metadata"]["name"] for each in rendered.of("NetworkPolicy")}


def test_the_page_has_every_policy_in_its_table_with_the_ports_that_it_opens() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| ([0-9, /A-Z]+|all) \|", PAGE.read_text(), re.MULTILINE)

    assert dict(rows) == _documented()


def _documented() -> dict[str, str]:
    """Name and ports of every policy, in base, components and overlays."""
    found = {}
    rendered = [overlay(name) for name in OVERLAYS]
    rendered += [with_component("minimum", name) for name in ("gateway", "prometheus", "tracing")]
    for policy in (each for one in rendered for each in one.of("NetworkPolicy")):
        spec = policy["spec"]
        both = [*spec.get("ingress", ()), *spec.get("egress", ())]
        ports = sorted({port["port"] for rule in both for port in rule["ports"]})
        found[policy["metadata"]["name"]] = ", ".join(map(str, ports)) or "all"
    return found
