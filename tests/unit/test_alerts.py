"""The alerts that come with Aegis: rules of Prometheus' form, over metrics that there are."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.metrics.backups import BackupCollector
from api.metrics.queues import QueueCollector
from api.metrics.workers import LivenessCollector
from rag.errors import Unavailable
from rag.model import ABOUT_BACKUPS, Json
from rag.redis.heartbeats import Signs

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = REPOSITORY / "deploy" / "prometheus" / "backups.rules.yml"


class Jobs:
    def figures(self) -> object:
        raise Unavailable("away")


class Heartbeats:
    def read_signs(self) -> Signs:
        return Signs()


class Status:
    """One job of each kind has succeeded."""

    def results(self) -> dict[str, Json]:
        result: Json = {"at": 1.0, "backup": "1", "ok": True, "seconds": 2.0, "bytes": 3, "lacking": 4}
        return {name: result for kind in ABOUT_BACKUPS for name in (kind.value, f"{kind}:good")}


def rules() -> list[Json]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def metrics() -> set[str]:
    jobs: Any = Jobs()
    heartbeats: Any = Heartbeats()
    status: Any = Status()
    collectors = (QueueCollector(jobs, {}), LivenessCollector(heartbeats), BackupCollector(status))
    return {metric.name for collector in collectors for metric in collector.collect()}


def test_every_metric_that_an_alert_is_over_is_there() -> None:
    named = {name for rule in rules() for name in re.findall(r"\baegis_\w+", rule["expr"])}

    assert len(named) > 8
    assert named <= metrics()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means_and_what_to_do(rule: Json) -> None:
    assert re.fullmatch(r"Aegis[A-Za-z]+", rule["alert"])
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[mhd]", rule.get("for", "1m"))


def test_no_two_alerts_have_one_name() -> None:
    names = [rule["alert"] for rule in rules()]

    assert len(names) == len(set(names))
