"""The bodies and answers of /v1/backups."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, JsonValue

from api.schemas.answers import Answer, moment
from api.schemas.bodies import Body, CollectionName
from rag.backups.listing import Listed, Unlisted
from rag.model import Json, SavedCollection
from tasks.submit.submissions import Restoring


def _check_moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("has no offset from UTC: end it with Z, or with one such as +02:00")
    return text


Moment = Annotated[
    str,
    AfterValidator(_check_moment),
    Field(examples=["2026-11-23T20:15:00Z"], json_schema_extra={"format": "date-time"}),
]


def seconds_of(time: str | None) -> float | None:
    """Unix seconds of a :data:`Moment`; None without one."""
    return None if time is None else datetime.fromisoformat(time).timestamp()


class BackupIn(Body):
    """A backup to make."""

    mode: Literal["incremental", "full"] = Field(
        "incremental",
        description="Each is complete in itself; incremental sends only what the bucket does not hold yet",
    )


class RestoreIn(Body):
    """What to restore. An empty object means everything in the backup, in place."""

    collection: CollectionName | None = Field(None, description="This one alone")
    into: CollectionName | None = Field(
        None, description="Under this name, beside the present collection", examples=["handbook-before"]
    )
    at: Moment | None = Field(
        None,
        description="The state then: with `latest`, from the newest backup that was finished by then. "
        "What was accepted afterwards is not replayed",
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
        at = seconds_of(self.at)
        return Restoring(backup, self.collection, self.into, at, self.replay, self.deletions)


class EngineOut(Answer):
    kind: str = Field(description="edge, embedded here, or qdrant, a server")
    version: str


class SavedCollectionOut(Answer):
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
    def of(cls, saved: SavedCollection) -> Self:
        return cls.copy_from(saved)


class BackupOut(Answer):
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
    def of(cls, listed: Listed) -> Self:
        manifest = listed.manifest
        return cls.copy_from(
            manifest,
            engine=EngineOut.copy_from(manifest.engine),
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


class Unusable(BaseModel):
    """Why a backup cannot be used, as a problem tells it."""

    type: str = Field(examples=["urn:aegis:problem:wrong-backup-key"])
    title: str
    detail: str


class UnusableBackupOut(BaseModel):
    """A backup whose manifest is damaged, or made with another BACKUP_KEY."""

    id: str
    error: Unusable

    @classmethod
    def of(cls, entry: Unlisted) -> Self:
        error, kind = entry.error, f"urn:aegis:problem:{entry.error.code}"
        return cls(id=entry.id, error=Unusable(type=kind, title=error.title, detail=str(error)))


_TOLD = ("at", "job", "backup", "ok", "seconds", "error")


class OutcomeOut(BaseModel):
    """How a job about backups ended."""

    at: datetime = Field(description="When it ended")
    job_id: str | None = Field(description="null when none could be made")
    backup: str | None = Field(description="The backup that it made, or was about")
    ok: bool
    seconds: float = Field(description="From its begin to its end")
    error: str | None
    figures: dict[str, JsonValue] = Field(description="Figures of the job's result, and similar ones")

    @classmethod
    def of(cls, word: Json | None) -> "OutcomeOut | None":
        if not word:
            return None
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


class StandingOut(BaseModel):
    """How the last job of each kind ended, and the last that succeeded."""

    backup: OutcomesOut
    verify: OutcomesOut
    rehearse: OutcomesOut
    restore: OutcomesOut
    prune: OutcomesOut

    @classmethod
    def of(cls, words: Mapping[str, Json]) -> "StandingOut":
        outcomes: Any = {}
        for kind in cls.model_fields:
            last, good = OutcomeOut.of(words.get(kind)), OutcomeOut.of(words.get(f"{kind}:good"))
            outcomes[kind] = OutcomesOut.model_construct(last=last, last_good=good)
        return cls.model_construct(**outcomes)
