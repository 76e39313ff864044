"""Checks which of the configured times must be shorter than which, and says what breaks otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """The setting ``shorter`` must be less than the setting ``longer``. ``else_``: what happens otherwise."""

    shorter: str
    longer: str
    else_: str


RULES = (
    Rule("lease_seconds", "stage_timeout", "a stage would be ended before it could be missed"),
    Rule("lease_seconds", "backup_stage_timeout", "a backup would be ended before it could be missed"),
    Rule("stage_timeout", "visibility_timeout", "a task that still runs would be delivered a second time"),
    Rule(
        "visibility_timeout",
        "stale_lease_seconds",
        "a stage would be taken from its worker before its time is up",
    ),
    Rule("interactive_timeout", "visibility_timeout", "a search that still runs would be delivered again"),
    Rule("parse_timeout", "stage_timeout", "a slow document would cost its worker, and be tried again"),
    Rule("fetch_timeout", "stage_timeout", "a slow server would cost its worker, and be asked again"),
    Rule("generator_timeout", "stage_timeout", "a slow answer would cost its worker, and be tried again"),
    Rule("lease_seconds", "api_timeout", "a question whose worker died would never be answered in time"),
)


def out_of_order(settings: object) -> Iterator[str]:
    """A line for each rule that the settings break: which to raise or lower, and why."""
    for rule in RULES:
        shorter, longer = getattr(settings, rule.shorter), getattr(settings, rule.longer)
        if shorter >= longer:
            yield (
                f"{rule.longer.upper()} ({longer:g}) must be over {rule.shorter.upper()} ({shorter:g}), "
                f"or {rule.else_}: raise the one or lower the other"
            )
