"""The golden signals and what the service does."""

from panels import UP_OR_AWAY, Board, Panel, Row
from queries import WINDOW, quantiles, shared_rate

from boards.shared import (
    BUDGETS,
    DEPENDENCIES_UP,
    DISK_SHARE,
    ERRORS,
    FIRST_TOKEN,
    MEMORY_SHARE,
    OLDEST_WAIT,
    OPEN_SHARE,
    REQUESTS,
    RESPONSE_TIME,
    as_stat,
)


def ingested(what: str) -> str:
    """Documents or passages a minute."""
    rate = f"rate(aegis_{what}_ingested_total{{$scope}}{WINDOW})"
    return f"60 * sum(max without (instance, pod) ({rate}))"


OVERVIEW = Board(
    "overview",
    "overview",
    "The golden signals: traffic, errors, latency, saturation; and what the service does",
    (
        Row(
            "Now",
            (
                as_stat(
                    Panel(
                        "Alerts",
                        "short",
                        (
                            (
                                'count(ALERTS{$scope,alertname=~"Aegis.*",alertstate="firing"}) or vector(0)',
                                "",
                            ),
                        ),
                        limit=1,
                        description="That fire; Alertmanager has them",
                    )
                ),
                as_stat(
                    Panel(
                        "Broker",
                        "short",
                        (("min(aegis_broker_up{$scope})", ""),),
                        limit=1,
                        low=True,
                        mappings=UP_OR_AWAY,
                        alerts=("AegisBrokerDown", "AegisBrokerAway", "AegisAway"),
                    )
                ),
                as_stat(
                    Panel(
                        "Workers",
                        "short",
                        (("sum(max by (lane) (aegis_workers_alive{$scope}))", ""),),
                        limit=1,
                        low=True,
                        board="lanes",
                    )
                ),
                as_stat(
                    Panel(
                        "Waiting jobs",
                        "short",
                        (("sum(max by (lane) (aegis_lane_waiting_jobs{$scope}))", ""),),
                        board="lanes",
                    )
                ),
                as_stat(
                    Panel(
                        "Last good backup",
                        "s",
                        (("min(aegis_backup_age_seconds{$scope})", ""),),
                        limit=3600,
                        board="backups",
                        alerts=("AegisBackupTooOld",),
                        description="Since it began",
                    )
                ),
                as_stat(
                    Panel(
                        "Least budget left",
                        "percentunit",
                        (("min(aegis:slo_budget_left:ratio30d{$scope})", ""),),
                        limit=0,
                        low=True,
                        board="service-levels",
                        alerts=BUDGETS,
                    )
                ),
            ),
        ),
        Row("Traffic, errors, latency", (REQUESTS, ERRORS, RESPONSE_TIME)),
        Row(
            "Saturation",
            (
                OLDEST_WAIT,
                OPEN_SHARE,
                Panel(
                    "Memory and disk in use",
                    "percentunit",
                    (MEMORY_SHARE, DISK_SHARE),
                    limit=0.9,
                    alerts=("AegisBrokerMemoryHigh", "AegisDiskNearlyFull"),
                    board="dependencies",
                    description="Redis without a limit is not shown",
                ),
            ),
        ),
        Row(
            "Work",
            (
                Panel(
                    "Answers a minute",
                    "short",
                    ((f"60 * {shared_rate('aegis_answers_total', 'outcome')}", "{{outcome}}"),),
                    "not_found is an honest answer; cached ones asked no model",
                ),
                Panel(
                    "Question, submit to answer",
                    "s",
                    quantiles("aegis_job_seconds", ',kind="query"'),
                    limit=10,
                    board="service-levels",
                ),
                FIRST_TOKEN,
                Panel(
                    "Ingested a minute",
                    "short",
                    (
                        (
                            ingested("documents"),
                            "documents",
                        ),
                        (
                            ingested("passages"),
                            "passages",
                        ),
                    ),
                ),
                Panel(
                    "Document, submit to searchable",
                    "s",
                    quantiles("aegis_job_seconds", ',kind="ingest"'),
                    limit=300,
                    board="service-levels",
                ),
                DEPENDENCIES_UP,
            ),
        ),
    ),
)
