"""The schedule for forty days on a clock of its own: what is made, what is kept, what an outage leaves."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from beat.schedule import Entry, schedule_of
from beat.timekeeping import Timekeeper
from rag.backups.vault import Vault
from rag.model import Accepted, Engine, Job, JobKind, JobState, Manifest, NewJob, Stream
from rag.ports import Window
from rag.redis.schedule import Run
from rag.settings import Settings
from tasks.app import app
from tasks.backups import retention, scheduled
from tasks.backups.retention import StoredBackups
from tasks.submit import backups
from tests.unit.memoryruns import START, Clock, MemoryRuns

DAY, HOUR = 86400.0, 3600.0
OUTAGE = (12 * DAY + 5 * HOUR, 14 * DAY + 5 * HOUR)
SETTINGS = Settings(backup_url="memory:///")


class Jobs:
    """Jobs that are done as soon as they are accepted, and each Idempotency-Key's."""

    def __init__(self, house: "House") -> None:
        self._house = house
        self._known: dict[str, Job] = {}

    def accept(self, job: NewJob, *, idempotency_key: str, **_: object) -> Accepted:
        if earlier := self._known.get(idempotency_key):
            return Accepted(earlier, new=False)
        now = self._house.clock.now
        done = Job(job.id, job.kind, JobState.SUCCEEDED, job.stage, "", job.inputs, now, now)
        self._known[idempotency_key] = done
        self._house.work(done)
        return Accepted(done, new=True)

    def repeated(self, *, idempotency_key: str, body_digest: str) -> Accepted | None:
        earlier = self._known.get(idempotency_key)
        return Accepted(earlier, new=False) if earlier else None

    def figures(self) -> SimpleNamespace:
        return SimpleNamespace(open={})

    def page(self, **_: object) -> Window[Job]:
        return Window((), None)


class House:
    """The real schedule, its real tasks, and the real vault in memory; jobs take no time."""

    def __init__(self) -> None:
        self.clock = Clock(START - START % DAY)
        self.begun = self.clock.now
        self.made: dict[str, float] = {}
        self.done: list[tuple[float, JobKind]] = []
        self.nights: list[tuple[float, set[str]]] = []
        self.settings = SETTINGS
        self.jobs = Jobs(self)
        self.runs = MemoryRuns(self.clock)
        self.vault = Vault.of(SETTINGS)
        self.blobs = self.documents = self.backup_status = SimpleNamespace(
            collections=lambda: (SimpleNamespace(documents=1),), damages=dict
        )

    def work(self, job: Job) -> None:
        self.done.append((self.clock.now, job.kind))
        if job.kind is JobKind.BACKUP:
            self._back_up(job.id)
        if job.kind is JobKind.PRUNE:
            self._prune()

    def _back_up(self, backup: str) -> None:
        self.made[backup] = self.clock.now
        parts = (self.vault.store(b"of all"), self.vault.store(backup.encode()))
        streams, engine = (Stream("documents", parts),), Engine("edge", "1")
        now = self.clock.now
        self.vault.seal(
            Manifest(backup, now, now, "incremental", "schedule", "1", engine, "copied", (), streams)
        )

    def _prune(self) -> None:
        found = StoredBackups.of(self.vault)
        outlived = found.expired(self)  # type: ignore[arg-type]
        for backup in outlived:
            self.vault.forget(backup)
        left = found.without(outlived)
        swept = self.vault.sweep(key for each in left.whole.values() for key in each.parts)
        assert swept.removed == len(outlived), "each has a part of its own"
        self.nights.append((self.clock.now, set(self.vault.backups())))

    # --- time

    def live(self, until: float) -> None:
        """Let beat go on until so many seconds after the first midnight."""
        entries = [entry for entry in schedule_of(SETTINGS) if entry.promised]
        beat = Timekeeper(entries, self.runs, self._send)
        while self.clock.now < self.begun + until:
            self.clock.now = min(self.begun + until, self.clock.now + max(1.0, beat.round()))

    def _send(self, entry: Entry, run: Run) -> None:
        """Every message comes twice."""
        for _ in range(2):
            app.tasks[entry.task](entry.name, run.id)

    def times(self, kind: JobKind) -> list[float]:
        """In seconds since the first midnight."""
        return [at - self.begun for at, of in self.done if of is kind]


@pytest.fixture(scope="module")
def house() -> House:
    """After forty days, in which everything was down for two."""
    house, (down, up) = House(), OUTAGE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "toolbox", house, raising=False)
        for module in (scheduled, retention):
            patch.setattr(module, "time", lambda: house.clock.now)
        patch.setattr(scheduled, "announce", lambda _: None)
        patch.setattr(backups, "new_id", lambda: uuid7_at(house.clock.now))
        house.live(down)
        house.clock.now = house.begun + up
        house.live(40 * DAY)
    return house


def uuid7_at(moment: float) -> str:
    """By RFC 9562: milliseconds in 48 bits, the version, then chance."""
    return str(UUID(int=int(moment * 1000) << 80 | 7 << 76 | uuid4().int & ((1 << 76) - 1)))


def owed(made: Mapping[str, float], now: float) -> set[str]:
    """All of two days, and the last of each day of thirty."""
    last = {datetime.fromtimestamp(at, UTC).date(): backup for backup, at in made.items()}
    young = {backup for backup, at in made.items() if now - at <= 2 * DAY}
    return young | {backup for backup in last.values() if now - made[backup] <= 30 * DAY}


def caught_up(times: Iterable[float]) -> list[float]:
    """Those outside of the outage, and its end."""
    down, up = OUTAGE
    return sorted([*(at for at in times if not down <= at < up), up])


def test_there_are_two_backups_an_hour_and_one_after_the_outage(house: House) -> None:
    halves = range(40 * 24 * 2)
    assert house.times(JobKind.BACKUP) == caught_up(half * HOUR / 2 + 7 * 60 for half in halves)


def test_verifications_and_rehearsals_have_their_times(house: House) -> None:
    days = [datetime.fromtimestamp(house.begun + at, UTC).weekday() for at in house.times(JobKind.REHEARSE)]

    assert house.times(JobKind.VERIFY) == caught_up(day * DAY + 3 * HOUR + 23 * 60 for day in range(40))
    assert days == [6] * 6


def test_every_night_exactly_what_is_owed_is_kept(house: House) -> None:
    assert house.times(JobKind.PRUNE) == caught_up(day * DAY + 2 * HOUR + 11 * 60 for day in range(40))
    for now, kept in house.nights:
        made = {backup: at for backup, at in house.made.items() if at <= now}
        assert kept == owed(made, now)
