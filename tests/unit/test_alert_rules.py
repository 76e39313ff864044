"""The alerts, evaluated by Prometheus' own tool over figures that raise them and figures that do not."""

from pathlib import Path

import pytest

from tests.alertrules import BEFORE, AlertFile, Case, Figures, run_promtool
from tests.unit.test_alerts import RULES

HOUR, DAY = 60, 1440  # minutes
WELL: Figures = {
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


BACKUPS = AlertFile(RULES, WELL)

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


def test_the_rules_are_sound() -> None:
    assert f"{len(BACKUPS.rules())} rules found" in run_promtool("check", "rules", str(RULES))


def test_each_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == {rule["alert"] for rule in BACKUPS.rules()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_an_alert_comes_when_it_should_and_not_before(tmp_path: Path, case: Case) -> None:
    step = 1 if case.after < DAY else HOUR
    begun = BEFORE * step
    soon, due = begun + case.after - step, begun + case.after

    early = BACKUPS.scenario(case.figures if case.after else case.near, soon, step=step)
    near = BACKUPS.scenario(case.near, due, step=step)
    late = BACKUPS.scenario(case.figures, due, BACKUPS.expected(case), step=step)

    BACKUPS.judge(tmp_path, early, near, late, step=step)


def test_nothing_is_said_of_what_is_well(tmp_path: Path) -> None:
    BACKUPS.judge(tmp_path, BACKUPS.scenario({}, 2 * HOUR))


def test_an_installation_that_was_never_seen_is_missed(tmp_path: Path) -> None:
    rule = BACKUPS.rule("AegisAway")
    alert = {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}

    BACKUPS.judge(
        tmp_path,
        {
            "interval": "1m",
            "input_series": [{"series": "up", "values": "1x20"}],
            "alert_rule_test": [{"eval_time": "15m", "alertname": "AegisAway", "exp_alerts": [alert]}],
        },
    )
