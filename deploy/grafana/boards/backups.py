"""Whether backups are made and proven."""

from panels import Board, Panel, Row
from queries import shared_rate

KINDS = ("", "_verification", "_rehearsal", "_prune", "_restore")


def of_each_kind(figure: str) -> tuple[tuple[str, str], ...]:
    """The figure of backups and of all jobs about them."""
    return tuple(
        (f"min(aegis_backup{kind}_{figure}{{$scope}})", kind.strip("_") or "backup") for kind in KINDS
    )


BACKUPS = Board(
    "backups",
    "backups",
    "Whether backups are made, proven and cleared away; goals: RPO 1 h, RTO 4 h",
    (
        Row(
            "State",
            (
                Panel(
                    "The last one succeeded",
                    "short",
                    of_each_kind("ok"),
                    limit=1,
                    low=True,
                    alerts=(
                        "AegisBackupFailed",
                        "AegisBackupVerificationFailed",
                        "AegisRestoreRehearsalFailed",
                        "AegisBackupPruneFailed",
                        "AegisNoBackup",
                        "AegisBackupUnproven",
                    ),
                ),
                Panel(
                    "Age of the last good backup",
                    "s",
                    of_each_kind("age_seconds")[:1],
                    limit=3600,
                    alerts=("AegisBackupTooOld",),
                ),
                Panel(
                    "Age of the last good proof and prune",
                    "s",
                    of_each_kind("age_seconds")[1:4],
                    alerts=("AegisBackupUnverified", "AegisRestoreUnrehearsed", "AegisBackupsNotPruned"),
                ),
            ),
        ),
        Row(
            "Size and time",
            (
                Panel(
                    "What the last good one took",
                    "s",
                    of_each_kind("seconds"),
                    limit=4 * 3600,
                    alerts=("AegisRestoreTooSlow",),
                    description="A rehearsal takes what a restore would",
                ),
                Panel(
                    "Size of the last good backup", "bytes", (("max(aegis_backup_bytes{$scope})", "stored"),)
                ),
                Panel(
                    "Documents that lack points",
                    "short",
                    (("max(aegis_backup_documents_lacking_points{$scope})", "documents"),),
                    limit=1,
                    alerts=("AegisPointsLost",),
                ),
            ),
        ),
        Row(
            "What makes them",
            (
                Panel(
                    "Workers of the lane backup",
                    "short",
                    (('max(aegis_workers_alive{$scope,lane="backup"})', "workers"),),
                    limit=1,
                    low=True,
                    alerts=("AegisBackupLaneEmpty",),
                ),
                Panel(
                    "Since the scheduler ticked",
                    "s",
                    (("min(aegis_beat_tick_age_seconds{$scope})", "beat"),),
                    limit=60,
                    alerts=("AegisBeatSilent",),
                ),
                Panel(
                    "Jobs ended an hour",
                    "short",
                    (
                        (
                            "3600 * "
                            + shared_rate(
                                "aegis_jobs_ended_total",
                                "kind",
                                "state",
                                match=',kind=~"backup|verify|rehearse|prune|restore"',
                            ),
                            "{{kind}}: {{state}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
