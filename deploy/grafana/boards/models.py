"""Calls of models."""

from panels import Board, Panel, Row
from queries import mean, own_rate, quantile, shared_rate

from boards.shared import CACHE_HITS, FIRST_TOKEN

BY_MODEL = ("role", "model")
MODELS = Board(
    "models",
    "models",
    "Calls of embedding, reranking and language models, by the workers that make them",
    (
        Row(
            "Calls",
            (
                Panel(
                    "Calls a second",
                    "ops",
                    ((own_rate("aegis_model_call_seconds_count", *BY_MODEL), "{{role}}: {{model}}"),),
                ),
                Panel(
                    "A call, half are shorter",
                    "s",
                    ((quantile(0.5, "aegis_model_call_seconds", *BY_MODEL), "{{role}}: {{model}}"),),
                ),
                Panel(
                    "A call, 95 of 100 are shorter",
                    "s",
                    ((quantile(0.95, "aegis_model_call_seconds", *BY_MODEL), "{{role}}: {{model}}"),),
                ),
                Panel(
                    "Texts in a call",
                    "short",
                    ((mean("aegis_model_batch_size", *BY_MODEL), "{{role}}: {{model}}"),),
                    "Mean",
                ),
                Panel(
                    "Wait for a slot, 95 of 100 are shorter",
                    "s",
                    ((quantile(0.95, "aegis_model_queue_seconds", *BY_MODEL), "{{role}}: {{model}}"),),
                ),
                Panel(
                    "Tokens read a second",
                    "short",
                    ((own_rate("aegis_model_tokens_read_total", *BY_MODEL), "{{role}}: {{model}}"),),
                ),
            ),
        ),
        Row(
            "Writing",
            (
                FIRST_TOKEN,
                Panel(
                    "Tokens written a second, of a call",
                    "short",
                    (
                        (
                            quantile(0.5, "aegis_model_tokens_per_second", "model"),
                            "{{model}}, half are faster",
                        ),
                    ),
                ),
                Panel(
                    "Tokens of remote models a minute",
                    "short",
                    (
                        (
                            f"60 * {shared_rate('aegis_model_tokens_total', 'model', 'purpose')}",
                            "{{model}}: {{purpose}}",
                        ),
                    ),
                    "As those that send the bill count them",
                ),
            ),
        ),
        Row(
            "Caches",
            (
                CACHE_HITS,
                Panel(
                    "Cache size", "bytes", (("max(aegis_cache_bytes{$scope})", "all"),), "At most CACHE_MB"
                ),
            ),
        ),
    ),
)
