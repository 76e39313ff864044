"""The pods of deploy/k8s: restricted, probed, drained, spread, and without what they need not have."""

import pytest

from api.routes.health import COMPONENTS as HEALTH_COMPONENTS
from api.routes.health import router
from cli.supervisor.services import services
from rag.settings import Settings
from tests.deploy.manifests import (
    OURS,
    PRODUCTION,
    containers,
    every_overlay,
    matches,
    overlay,
)

GRACE_SLACK = 5  # seconds between the last signal and the end of the grace period


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
    alone = settings.model_copy(update={"shared_workers": False})
    known = {service.name: service for service in services(alone)}
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
