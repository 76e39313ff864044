"""What Aegis needs of others."""

from panels import UP_OR_AWAY, Board, Panel, Row
from queries import own_rate, quantile

from boards.shared import DEPENDENCIES_UP

DEPENDENCIES = Board(
    "dependencies",
    "dependencies",
    "Redis, Qdrant, blobs, Jina and Ollama, as Aegis finds them",
    (
        Row(
            "State",
            (
                DEPENDENCIES_UP,
                Panel(
                    "Prometheus' targets",
                    "short",
                    (("min by (job) (up{$scope})", "{{job}}"),),
                    limit=1,
                    low=True,
                    mappings=UP_OR_AWAY,
                    alerts=("AegisTargetDown",),
                ),
                Panel(
                    "Held back",
                    "short",
                    (
                        (
                            "max by (dependency) (aegis_dependency_breaker_open{$scope})",
                            "{{dependency}}: breaker open",
                        ),
                        (
                            "max by (dependency) (aegis_dependency_rate_limited{$scope})",
                            "{{dependency}}: rate limit",
                        ),
                    ),
                    "1 while Aegis asks nothing of it: after failures, or at its rate limit",
                    limit=1,
                ),
            ),
        ),
        Row(
            "Calls",
            (
                Panel(
                    "Calls a second",
                    "ops",
                    ((own_rate("aegis_dependency_seconds_count", "dependency"), "{{dependency}}"),),
                ),
                Panel(
                    "A call, 95 of 100 are shorter",
                    "s",
                    (
                        (
                            quantile(0.95, "aegis_dependency_seconds", "dependency", "operation"),
                            "{{dependency}}: {{operation}}",
                        ),
                    ),
                ),
                Panel(
                    "Errors a second",
                    "ops",
                    (
                        (
                            own_rate("aegis_dependency_errors_total", "dependency", "kind"),
                            "{{dependency}}: {{kind}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Room and certificates",
            (
                Panel(
                    "Memory of Redis",
                    "bytes",
                    (
                        ("max(aegis_broker_memory_bytes{$scope})", "used"),
                        ("max(aegis_broker_memory_limit_bytes{$scope})", "limit"),
                    ),
                    "A limit of 0 is none",
                    alerts=("AegisBrokerMemoryHigh",),
                ),
                Panel(
                    "Free disk",
                    "bytes",
                    (("min by (mount) (aegis_disk_free_bytes{$scope})", "{{mount}}"),),
                    alerts=("AegisDiskNearlyFull",),
                ),
                Panel(
                    "Until a certificate ends",
                    "s",
                    (("min by (dependency) (aegis_certificate_expiry_seconds{$scope})", "{{dependency}}"),),
                    "Only of servers that are reached by TLS",
                    limit=14 * 86400,
                    low=True,
                    alerts=("AegisCertificateEnds",),
                ),
            ),
        ),
        Row(
            "Qdrant, by itself",
            (
                Panel(
                    "Requests a second",
                    "reqps",
                    ((own_rate("rest_responses_total", "endpoint"), "{{endpoint}}"),),
                ),
                Panel(
                    "A request, 95 of 100 are shorter",
                    "s",
                    ((quantile(0.95, "rest_responses_duration_seconds", "endpoint"), "{{endpoint}}"),),
                ),
                Panel(
                    "Memory", "bytes", (("memory_resident_bytes{$scope}", "{{instance}}"),), "Of each node"
                ),
            ),
        ),
    ),
)
