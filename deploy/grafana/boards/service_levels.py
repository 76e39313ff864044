"""What is promised, and how much of it is kept."""

from panels import Board, Panel, Row
from queries import quantiles

from boards.shared import BUDGETS

ALLOWED = "on (slo) group_left () (1 - aegis:slo_objective:ratio)"
SERVICE_LEVELS = Board(
    "service-levels",
    "service levels",
    "What docs/reference/service-levels.md promises, and how much is kept",
    (
        Row(
            "Budgets",
            (
                Panel(
                    "Error budget left, of 30 days",
                    "percentunit",
                    (("min by (slo) (aegis:slo_budget_left:ratio30d{$scope})", "{{slo}}"),),
                    limit=0,
                    low=True,
                    alerts=BUDGETS,
                ),
                Panel(
                    "Burn rate over an hour",
                    "short",
                    ((f"max by (slo) (aegis:slo_errors:ratio_rate1h{{$scope}} / {ALLOWED})", "{{slo}}"),),
                    "1 spends the budget in 30 days; from 14.4 on an alert comes",
                    limit=14.4,
                    alerts=BUDGETS[:1],
                ),
                Panel(
                    "Burn rate over six hours",
                    "short",
                    ((f"max by (slo) (aegis:slo_errors:ratio_rate6h{{$scope}} / {ALLOWED})", "{{slo}}"),),
                    limit=6,
                    alerts=BUDGETS,
                ),
            ),
        ),
        Row(
            "Events",
            (
                Panel(
                    "Share that is good",
                    "percentunit",
                    (("1 - max by (slo) (aegis:slo_errors:ratio_rate5m{$scope})", "{{slo}}"),),
                    "Over five minutes",
                ),
                Panel("Objective", "percentunit", (("aegis:slo_objective:ratio", "{{slo}}"),)),
                Panel(
                    "Events a minute",
                    "short",
                    (("60 * sum by (slo) (aegis:slo_events:rate5m{$scope})", "{{slo}}"),),
                ),
            ),
        ),
        Row(
            "Times",
            (
                Panel(
                    "Submit that nobody waits for",
                    "s",
                    quantiles(
                        "http_request_duration_seconds",
                        ',method="POST",handler=~"/v1/(documents|queries)",status="202"',
                    ),
                    limit=1,
                ),
                Panel(
                    "Question, submit to answer",
                    "s",
                    quantiles("aegis_job_seconds", ',kind="query"'),
                    limit=10,
                ),
                Panel(
                    "Document, submit to searchable",
                    "s",
                    quantiles("aegis_job_seconds", ',kind="ingest"'),
                    limit=300,
                ),
            ),
        ),
    ),
)
