"""What is scheduled, by the settings."""

import pytest

from beat.schedule import schedule_of
from rag.settings import Settings


def _full(**settings: str) -> list[float | str]:
    entries = schedule_of(Settings.model_validate(settings))
    return [entry.every for entry in entries if entry.task == "aegis.maintenance.backups.back_up_fully"]


@pytest.mark.parametrize(
    ("settings", "times"),
    [
        ({}, []),
        ({"qdrant_url": "http://127.0.0.1:6333"}, ["52 1 * * *"]),
        ({"qdrant_url": "http://127.0.0.1:6333", "backup_full_schedule": "never"}, []),
        ({"backup_full_schedule": "5 5 * * 0"}, ["5 5 * * 0"]),
    ],
)
def test_a_qdrant_server_has_a_full_backup_a_day(settings: dict[str, str], times: list[str]) -> None:
    assert _full(**settings) == times
