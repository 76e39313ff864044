"""What ``aegis doctor`` says of backups: how old the newest is, and whether it could be used."""

from pathlib import Path
from time import time

import pytest
from pydantic import SecretStr

from cli.doctor.backups import examine
from rag.backups.vault import Vault
from rag.errors import WrongKey
from rag.model import Engine, Manifest
from rag.settings import Settings

KEY = SecretStr("the passphrase of it")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(backup_url=tmp_path.as_uri(), backup_key=KEY, backup_schedule="7 * * * *")


def make_backup(settings: Settings, hours_ago: float) -> None:
    at = time() - 3600 * hours_ago
    Vault.of(settings).seal(
        Manifest(
            id=f"{at:f}", began_at=at, finished_at=at + 60, mode="full", trigger="request", application="1",
            engine=Engine("edge", "1"), sources="copied", collections=(), streams=(),
        )
    )  # fmt: skip


def test_one_that_is_young_and_safe_is_well(settings: Settings) -> None:
    make_backup(settings, hours_ago=5)
    make_backup(settings, hours_ago=0.5)

    found = examine(settings, lambda: Vault.of(settings), running=True)

    assert found.state == "ok"
    assert found.text.startswith(f"{settings.backup_url}: the newest is 3")
    assert found.text.endswith(" s old, encrypted")


def test_one_that_is_older_than_the_schedule_says_is_a_fault_while_the_service_runs(
    settings: Settings,
) -> None:
    make_backup(settings, hours_ago=3)
    vault = Vault.of(settings)
    never = settings.model_copy(update={"backup_schedule": "never"})

    assert examine(settings, lambda: vault, running=True).state == "bad"
    assert examine(settings, lambda: vault, running=False).state == "ok"
    assert examine(never, lambda: vault, running=True).state == "ok"


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [({"backup_url": None}, "set BACKUP_URL"), ({"backup_key": None}, "set BACKUP_KEY")],
)
def test_what_is_not_safe_is_worth_knowing(
    settings: Settings, tmp_path: Path, changes: dict[str, None], remedy: str
) -> None:
    unsafe = settings.model_copy(update={**changes, "aegis_home": tmp_path})
    make_backup(unsafe, hours_ago=0)

    found = examine(unsafe, lambda: Vault.of(unsafe), running=True)

    assert found.state == "note"
    assert found.remedy.startswith(remedy)


def test_none_at_all_is_worth_knowing(settings: Settings) -> None:
    found = examine(settings, lambda: Vault.of(settings), running=True)

    assert (found.state, found.remedy) == ("note", "aegis backup")


def test_another_key_is_told_by_its_name(settings: Settings) -> None:
    make_backup(settings, hours_ago=0)
    other = settings.model_copy(update={"backup_key": SecretStr("another passphrase")})

    with pytest.raises(WrongKey, match="BACKUP_KEY is not the passphrase of vault"):
        examine(other, lambda: Vault.of(other), running=True)
