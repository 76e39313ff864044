"""Panels that several boards show."""

from dataclasses import replace

from panels import UP_OR_AWAY, Panel
from queries import WINDOW, own_rate, quantiles, shared_rate

CALLS = ',handler!~"/health.*|/metrics"'
BUDGETS = ("AegisErrorBudgetBurnsFast", "AegisErrorBudgetBurnsSlowly")


def as_stat(panel: Panel) -> Panel:
    """The last value in large type."""
    return replace(panel, kind="stat", width=4, height=4)


REQUESTS = Panel(
    "Requests",
    "reqps",
    ((own_rate("http_requests_total", "handler"), "{{handler}}"),),
    "By the route's template",
    width=8,
)
RESPONSE_TIME = Panel(
    "Response time",
    "s",
    quantiles("http_request_duration_seconds", CALLS),
    "To the answer's first byte; a caller that waits for a job's end waits for that",
    width=8,
)
ERRORS = Panel(
    "Share of server errors",
    "percentunit",
    (
        (
            f'(sum(rate(http_requests_total{{$scope,status=~"5.."{CALLS}}}{WINDOW})) or vector(0))'
            f" / sum(rate(http_requests_total{{$scope{CALLS}}}{WINDOW}))",
            "5xx",
        ),
    ),
    limit=0.05,
    alerts=("AegisApiFails",),
)
OLDEST_WAIT = Panel(
    "Oldest wait",
    "s",
    (("max by (lane) (aegis_lane_oldest_wait_seconds{$scope})", "{{lane}}"),),
    "How long the first job in line has waited",
    limit=30,
    alerts=("AegisQuestionsWait", "AegisIngestionsWait", "AegisQueueStuck"),
    board="lanes",
)
OPEN_SHARE = Panel(
    "Open jobs of those that may be",
    "percentunit",
    (
        (
            "max by (kind) (aegis_open_jobs{$scope}) / max by (kind) (aegis_open_jobs_limit{$scope})",
            "{{kind}}",
        ),
    ),
    limit=0.9,
    alerts=("AegisQueueNearlyFull",),
)
MEMORY_SHARE = (
    "max(aegis_broker_memory_bytes{$scope}) / (max(aegis_broker_memory_limit_bytes{$scope}) > 0)",
    "memory of Redis",
)
DISK_SHARE = (
    "1 - min by (mount) (aegis_disk_free_bytes{$scope} / aegis_disk_bytes{$scope})",
    "disk of {{mount}}",
)
FIRST_TOKEN = Panel("Time to the first token", "s", quantiles("aegis_time_to_first_token_seconds"))
CACHE_HITS = Panel(
    "Share of cache hits",
    "percentunit",
    (
        (
            shared_rate("aegis_cache_requests_total", "cache", match=',outcome="hit"')
            + " / "
            + shared_rate("aegis_cache_requests_total", "cache"),
            "{{cache}}",
        ),
    ),
)
DEPENDENCIES_UP = Panel(
    "What answers",
    "short",
    (
        ("min by (dependency) (aegis_dependency_up{$scope})", "{{dependency}}"),
        ("min(aegis_broker_up{$scope})", "broker"),
        ("min(aegis_api_publishing{$scope})", "publishing"),
    ),
    limit=1,
    low=True,
    mappings=UP_OR_AWAY,
    board="dependencies",
    alerts=("AegisDependencyAway", "AegisBrokerDown", "AegisCannotQueue"),
)
