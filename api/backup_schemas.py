"""What is sent and seen of backups."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, JsonValue

from api.bodies import CollectionName, Sent
from api.schemas import moment
from rag.errors import BackupError
from rag.model import Engine, JobKind, Json, SavedCollection
from rag.stores.backups.catalogue import Listed, Unlisted
from tasks.submit import Restoring


def _checked_moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("has no offset from UTC: end it with Z, or with one such as +02:00")
    return text


Moment = Annotated[
    str,
    AfterValidator(_checked_moment),
    Field(examples=["2026-11-23T20:15:00Z"], json_schema_extra={"format": "date-time"}),
]


def seconds_of(time: str) -> float:
    """Unix seconds of a :data:`Moment`."""
    return datetime.fromisoformat(time).timestamp()


class BackupIn(Sent):
    """A backup to make."""

    mode: Literal["incremental", "full"] = Field(
        "incremental",
        description="Each is complete in itself; incremental sends only what the bucket does not hold yet",
    )


class RestoreIn(Sent):
    """What is to be restored. An empty object means all that the backup has, in place."""

    collection: CollectionName | None = Field(None, description="This one alone")
    into: CollectionName | None = Field(
        None, description="Under this name, beside what is there", examples=["handbook-before"]
    )
    at: Moment | None = Field(
        None,
        description="As things were then: with `latest`, out of the newest backup that was finished by then; "
        "what was accepted afterwards is not replayed",
    )
    replay: bool = Field(
        True, description="Whether what was ingested after the backup, and is still recorded, is done again"
    )
    deletions: bool = Field(
        False,
        description="Whether what was deleted after the backup is deleted again, as always with `at`; "
        "else it is back, and named in `undeleted`",
    )

    def of(self, backup: str) -> Restoring:
        at = None if self.at is None else seconds_of(self.at)
        return Restoring(backup, self.collection, self.into, at, self.replay, self.deletions)


class EngineOut(BaseModel):
    kind: str = Field(description="edge, embedded here, or qdrant, a server")
    version: str

    @classmethod
    def of(cls, engine: Engine) -> "EngineOut":
        return cls.model_construct(kind=engine.kind, version=engine.version)


class SavedCollectionOut(BaseModel):
    """A collection as the backup has it."""

    name: str
    documents: int
    points: int
    digest: str = Field(description="Of its points, whatever their order and engine")
    embedding_model: str
    dimension: int
    late: int = Field(
        description="Documents that were published while the backup was made; "
        "neither the digest nor the counts have them"
    )

    @classmethod
    def of(cls, saved: SavedCollection) -> "SavedCollectionOut":
        return cls.model_construct(
            name=saved.name,
            documents=saved.documents,
            points=saved.points,
            digest=saved.digest,
            embedding_model=saved.embedding_model,
            dimension=saved.dimension,
            late=saved.late,
        )


class BackupOut(BaseModel):
    """A backup. Whatever was accepted after `began_at` may be missing in it."""

    id: str
    began_at: datetime
    finished_at: datetime
    mode: str = Field(description="incremental or full", examples=["incremental"])
    trigger: str = Field(description="schedule or request", examples=["schedule"])
    application: str = Field(description="Version of Aegis that made it")
    engine: EngineOut
    encrypted: bool
    sources: str = Field(
        description="copied: it has the documents' files; referenced: only their names", examples=["copied"]
    )
    bytes: int = Field(description="In the bucket, shared with other backups or not")
    objects: int
    documents: int
    points: int
    collections: list[SavedCollectionOut]
    missing: list[str] = Field(description="What is left out, a line each")

    @classmethod
    def of(cls, listed: Listed) -> "BackupOut":
        manifest = listed.manifest
        return cls.model_construct(
            id=manifest.id,
            began_at=moment(manifest.began_at),
            finished_at=moment(manifest.finished_at),
            mode=manifest.mode,
            trigger=manifest.trigger,
            application=manifest.application,
            engine=EngineOut.of(manifest.engine),
            encrypted=manifest.encrypted,
            sources=manifest.sources,
            bytes=listed.size,
            objects=listed.objects,
            documents=sum(each.documents for each in manifest.collections),
            points=sum(each.points for each in manifest.collections),
            collections=[SavedCollectionOut.of(each) for each in manifest.collections],
            missing=list(manifest.missing),
        )


class WholeBackupOut(BackupOut):
    """A backup with the settings that it was made under, secrets left out."""

    configuration: dict[str, JsonValue]

    @classmethod
    def of(cls, listed: Listed) -> "WholeBackupOut":
        shown = BackupOut.of(listed)
        return cls.model_construct(**dict(shown), configuration=listed.manifest.configuration)


class Unusable(BaseModel):
    """Why a backup cannot be used, as a problem tells it."""

    type: str = Field(examples=["urn:aegis:problem:wrong-backup-key"])
    title: str
    detail: str

    @classmethod
    def of(cls, error: BackupError) -> "Unusable":
        return cls(type=f"urn:aegis:problem:{error.code}", title=error.title, detail=str(error))


class UnusableBackupOut(BaseModel):
    """A backup whose manifest is damaged, or made with another BACKUP_KEY."""

    id: str
    error: Unusable


def entry_of(entry: Listed | Unlisted) -> BackupOut | UnusableBackupOut:
    if isinstance(entry, Listed):
        return BackupOut.of(entry)
    return UnusableBackupOut(id=entry.id, error=Unusable.of(entry.error))


_TOLD = ("at", "job", "backup", "ok", "seconds", "error")


class OutcomeOut(BaseModel):
    """How a job about backups ended."""

    at: datetime = Field(description="When it ended")
    job_id: str | None = Field(description="null when none could be made")
    backup: str | None = Field(description="Which backup it was about, or made")
    ok: bool
    seconds: float = Field(description="From its begin to its end")
    error: str | None
    figures: dict[str, JsonValue] = Field(description="What its job's result says, and the like")

    @classmethod
    def of(cls, word: Json) -> "OutcomeOut":
        return cls.model_construct(
            at=moment(word["at"]),
            job_id=word.get("job"),
            backup=word["backup"] or None,
            ok=word["ok"],
            seconds=word["seconds"],
            error=word.get("error"),
            figures={name: value for name, value in word.items() if name not in _TOLD},
        )


class OutcomesOut(BaseModel):
    last: OutcomeOut | None
    last_good: OutcomeOut | None

    @classmethod
    def of(cls, words: Mapping[str, Json], kind: JobKind) -> "OutcomesOut":
        last, good = words.get(kind), words.get(f"{kind}:good")
        return cls.model_construct(
            last=OutcomeOut.of(last) if last else None, last_good=OutcomeOut.of(good) if good else None
        )


class StandingOut(BaseModel):
    """How the last job of each kind ended, and the last that succeeded."""

    backup: OutcomesOut
    verify: OutcomesOut
    rehearse: OutcomesOut
    restore: OutcomesOut
    prune: OutcomesOut

    @classmethod
    def of(cls, words: Mapping[str, Json]) -> "StandingOut":
        return cls.model_construct(
            backup=OutcomesOut.of(words, JobKind.BACKUP),
            verify=OutcomesOut.of(words, JobKind.VERIFY),
            rehearse=OutcomesOut.of(words, JobKind.REHEARSE),
            restore=OutcomesOut.of(words, JobKind.RESTORE),
            prune=OutcomesOut.of(words, JobKind.PRUNE),
        )
