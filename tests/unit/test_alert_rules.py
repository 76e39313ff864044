"""The alerts, evaluated by Prometheus' own tool over figures that raise them and figures that do not."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rag.model import Json
from tests.chaos.requirements import missing
from tests.unit.test_alerts import RULES, rules

Figures = Mapping[str, float | None]

HOUR, DAY = 60, 1440  # minutes
BEFORE = 5  # looks at which nothing is amiss yet

WELL: Mapping[str, float] = {
    "aegis_broker_up": 1,
    "aegis_backup_ok": 1,
    "aegis_backup_age_seconds": 1800,
    "aegis_backup_seconds": 31,
    "aegis_backup_documents_lacking_points": 0,
    "aegis_backup_verification_ok": 1,
    "aegis_backup_verification_age_seconds": 40_000,
    "aegis_backup_rehearsal_ok": 1,
    "aegis_backup_rehearsal_age_seconds": 300_000,
    "aegis_backup_rehearsal_seconds": 90,
    "aegis_backup_prune_ok": 1,
    "aegis_backup_prune_age_seconds": 40_000,
    "aegis_beat_tick_age_seconds": 3,
    'aegis_workers_alive{lane="backup"}': 1,
    'aegis_workers_alive{lane="parse"}': 0,
}
"""Of an installation at which nothing is amiss."""

OF_BACKUPS = {name: None for name in WELL if name.startswith("aegis_backup")}
BROKER_AWAY = {**dict.fromkeys(WELL), "aegis_broker_up": 0.0}
"""What the API tells while it does not reach Redis."""


@dataclass(frozen=True)
class Case:
    """``figures`` in place of those that are well; None: absent. ``after``: minutes until it alerts.

    ``near``: others, which are just not bad enough. ``summary``: of the alert.
    """

    alert: str
    summary: str
    figures: Figures
    near: Figures = field(default_factory=dict)
    after: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)


CASES = (
    Case("AegisBrokerAway", "No API reaches the broker", BROKER_AWAY, after=10),
    Case("AegisAway", "No API tells anything", dict.fromkeys(WELL), after=10),
    Case("AegisBackupTooOld", "The last good backup is 1h 1m 40s old",
         {"aegis_backup_age_seconds": 3700}, near={"aegis_backup_age_seconds": 3500}),
    Case("AegisNoBackup", "No backup has ever succeeded", OF_BACKUPS, after=90),
    Case("AegisBackupFailed", "The last backup failed", {"aegis_backup_ok": 0}),
    Case("AegisBackupVerificationFailed", "The last verification found a backup that cannot be used",
         {"aegis_backup_verification_ok": 0}),
    Case("AegisBackupUnverified", "No backup was verified for 2d 0h 1m 40s",
         {"aegis_backup_verification_age_seconds": 172_900},
         near={"aegis_backup_verification_age_seconds": 172_700}),
    Case("AegisRestoreRehearsalFailed", "The last rehearsal could not restore a backup as it was saved",
         {"aegis_backup_rehearsal_ok": 0}),
    Case("AegisRestoreUnrehearsed", "No restore was rehearsed for 9d 0h 0m 1s",
         {"aegis_backup_rehearsal_age_seconds": 777_601},
         near={"aegis_backup_rehearsal_age_seconds": 777_599}),
    Case("AegisBackupUnproven", "There are backups, and none was ever both verified and rehearsed",
         {"aegis_backup_rehearsal_age_seconds": None}, after=9 * DAY),
    Case("AegisBackupUnproven", "There are backups, and none was ever both verified and rehearsed",
         {"aegis_backup_verification_age_seconds": None}, after=9 * DAY),
    Case("AegisRestoreTooSlow", "The last rehearsal took 4h 1m 40s",
         {"aegis_backup_rehearsal_seconds": 14_500}, near={"aegis_backup_rehearsal_seconds": 14_300}),
    Case("AegisBackupsNotPruned", "No backup was pruned for 3d 0h 0m 1s",
         {"aegis_backup_prune_age_seconds": 259_201}, near={"aegis_backup_prune_age_seconds": 259_199}),
    Case("AegisBackupPruneFailed", "The last prune of backups failed",
         {"aegis_backup_prune_ok": 0, "aegis_backup_prune_age_seconds": None}),
    Case("AegisPointsLost", "The vector engine lacks points of 3 documents",
         {"aegis_backup_documents_lacking_points": 3}),
    Case("AegisBeatSilent", "The scheduler has not ticked for 1m 1s",
         {"aegis_beat_tick_age_seconds": 61}, near={"aegis_beat_tick_age_seconds": 59}, after=1),
    Case("AegisBackupLaneEmpty", "No worker makes backups",
         {'aegis_workers_alive{lane="backup"}': 0}, after=5, labels={"lane": "backup"}),
)  # fmt: skip


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        missing("promtool, which comes with Prometheus")
    return found


@pytest.fixture
def judged(promtool: str, tmp_path: Path) -> Any:
    """Fails unless each scenario raises what it says; ``step``: minutes between two looks."""

    def judge(*scenarios: Json, step: int = 1) -> None:
        file = tmp_path / "alerts.yml"
        content = {"rule_files": [str(RULES)], "evaluation_interval": f"{step}m", "tests": list(scenarios)}
        file.write_text(json.dumps(content), "utf-8")
        told = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout + told.stderr

    return judge


def scenario(figures: Figures, minute: int, *raised: Json, step: int = 1) -> Json:
    """One installation with these figures beside one that is well: ``raised``, and no other, alert then."""
    names = sorted({rule["alert"] for rule in rules()})
    return {
        "interval": f"{step}m",
        "input_series": [*told("ill", figures, minute // step), *told("well", {}, minute // step)],
        "alert_rule_test": [
            {
                "eval_time": f"{minute}m",
                "alertname": name,
                "exp_alerts": [each["alert"] for each in raised if each["name"] == name],
            }
            for name in names
        ],
    }


def told(installation: str, figures: Figures, looks: int) -> list[Json]:
    """Series of two API processes, which were well at the first BEFORE looks."""
    return [
        {"series": _named(name, installation, pod), "values": _values(well, figures.get(name, well), looks)}
        for name, well in WELL.items()
        for pod in ("a", "b")
    ]


def _named(name: str, installation: str, pod: str) -> str:
    metric, _, labels = name.partition("{")
    own = f'{{namespace="{installation}",pod="{pod}",instance="{pod}:8910"'
    return f"{metric}{own},{labels}" if labels else f"{metric}{own}}}"


def _values(well: float, figure: float | None, looks: int) -> str:
    """``figure`` None: absent."""
    return f"{well}x{BEFORE - 1} " + (f"stale _x{looks}" if figure is None else f"{figure}x{looks}")


def expected(case: Case) -> Json:
    """The alert as it should come: once, of the one installation."""
    rule = rule_of(case.alert)
    labels = {**rule["labels"], **case.labels, "namespace": "ill"}
    annotations = {**rule["annotations"], "summary": case.summary}
    return {"name": case.alert, "alert": {"exp_labels": labels, "exp_annotations": annotations}}


def rule_of(alert: str) -> Json:
    return next(rule for rule in rules() if rule["alert"] == alert)


def test_the_rules_are_sound(promtool: str) -> None:
    told = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{len(rules())} rules found" in told.stdout


def test_each_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_comes_when_it_should_and_not_before(judged: Any, case: Case) -> None:
    step = 1 if case.after < DAY else HOUR
    begun = BEFORE * step
    soon, due = begun + case.after - step, begun + case.after

    early = scenario(case.figures if case.after else case.near, soon, step=step)
    near = scenario(case.near, due, step=step)
    late = scenario(case.figures, due, expected(case), step=step)

    judged(early, near, late, step=step)


def test_nothing_is_said_of_what_is_well(judged: Any) -> None:
    judged(scenario({}, 2 * HOUR))


def test_an_installation_that_was_never_seen_is_missed(judged: Any) -> None:
    rule = rule_of("AegisAway")
    alert = {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}

    judged(
        {
            "interval": "1m",
            "input_series": [{"series": "up", "values": "1x20"}],
            "alert_rule_test": [{"eval_time": "15m", "alertname": "AegisAway", "exp_alerts": [alert]}],
        }
    )
