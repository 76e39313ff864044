"""Backups: where they go, when they are made, and how long they are kept."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

_LEAST_KEY = 16


class BackupSettings(BaseSettings):
    """Backups, their verification and their rehearsal."""

    backup_url: str | None = Field(
        None,
        description="Where backups go: file:///…, s3://bucket/prefix, az:// or gs://, of this installation alone; see docs/runbooks/disaster-recovery.md. Unset: a folder in AEGIS_HOME, which does not outlive its disk. A folder is never filled to the last 256 MB of the disk.",
    )
    backup_key: SecretStr | None = Field(
        None,
        description="Passphrase of 16 characters or more: everything is encrypted before it leaves the machine. Without it no backup made with it can be read again, so keep a copy elsewhere; another one needs another BACKUP_URL. Unset: not encrypted.",
    )
    backup_schedule: str = Field(
        "7,37 * * * *",
        description="When backups are made, as minute, hour, day of month, month, day of week in UTC: at worst the loss of all machines costs an interval of it. never: only when asked for.",
    )
    backup_mode: Literal["incremental", "full"] = Field(
        "incremental",
        description="Of scheduled backups. Each is complete in itself; incremental ones read and send only what the newest backup does not have yet, full ones everything again, and of a Qdrant server its own snapshots too.",
    )
    backup_full_schedule: str | None = Field(
        None,
        description="When a full backup is made besides those of BACKUP_SCHEDULE, in the same form; or never. Unset: once a day, at 1:52, of a Qdrant server, whose snapshots are restored with their graph; never of the embedded engine.",
    )
    backup_sources: Literal["copied", "referenced"] = Field(
        "copied",
        description="Whether the documents' files are in the backup, or only their names: referenced is for a BLOB_URL that outlives the installation by itself.",
    )
    backup_part_mb: int = Field(
        16,
        ge=1,
        le=256,
        description="MB of one object of a backup: what is held in memory a few times over, and sent again after a break.",
    )
    backup_stage_timeout: float = Field(
        4 * 3600,
        gt=0,
        description="Seconds after which one turn of a backup or restore is ended from outside: longer than a Qdrant server takes to make a snapshot of its largest collection, or to load one.",
    )
    backup_keep_hourly_days: float = Field(
        2,
        ge=0,
        description="Days for which every backup is kept. The newest undamaged one always is, and so are those in use.",
    )
    backup_keep_days: float = Field(
        30, ge=0, description="Days for which the last backup of each day in UTC is kept."
    )
    backup_verify_schedule: str = Field(
        "23 3 * * *",
        description="When the newest backup is read again and compared with its checksums; or never.",
    )
    backup_rehearse_schedule: str = Field(
        "41 4 * * 0",
        description="When the newest backup is restored beside what serves, compared, asked golden queries, and dropped again; or never.",
    )
    backup_prune_schedule: str = Field(
        "11 2 * * *", description="When backups that need not be kept are removed; or never."
    )

    @field_validator("backup_key")
    @classmethod
    def _long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value) < _LEAST_KEY:
            raise ValueError(f"a passphrase needs {_LEAST_KEY} characters or more")
        return value

    @field_validator(
        "backup_schedule",
        "backup_full_schedule",
        "backup_verify_schedule",
        "backup_rehearse_schedule",
        "backup_prune_schedule",
    )
    @classmethod
    def _schedule(cls, value: str | None) -> str | None:
        if value is None:
            return None
        from rag.settings.cron import validate  # noqa: PLC0415 - it loads Celery, which no default needs

        return validate(value)
