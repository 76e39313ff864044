"""Backups and restores are hit in the middle: they go on to their end, and leave nothing behind.

The short form deals all blows to one of each, where it takes longest; the long form each in runs of its
own, at every stage in turn.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

import httpx
import pytest

from rag.backups.objects import Objects
from rag.model import CollectionSpec
from tests.chaos.attack import Attack
from tests.chaos.audit import Account
from tests.chaos.faults.traps import PAUSE
from tests.chaos.ledger import JobPage
from tests.chaos.load import Scale
from tests.chaos.stack import BACK_SECONDS
from tests.chaos.strongroom import LIBRARY, Strongroom, strongroom
from tests.contents import Content
from tests.system.running import until

pytestmark = pytest.mark.timeout(900)

DIARY = "diary"
MAKING = (("upload", "store"), ("snapshot", "take"), ("seal", "seal"))
RESTORING = (("load", "piece"), ("verify", "piece"), ("check", "scroll"), ("switch", "replace"))
"""Stages, and in each a call that it makes."""

SHORT = ("snapshot", "seal", "switch")
"""Stages of one slice, which have no middle that their progress shows."""


@pytest.fixture(scope="module")
def room(scale: Scale) -> Iterator[Strongroom]:
    with strongroom(scale.settings) as room:
        yield room


# --- blows: the job stands still at the call, and goes on when they are dealt


def kill_the_worker(room: Strongroom, go_on: Callable[[], None]) -> None:
    worker = room.target.part("backup")
    pid = room.target.hit(worker)
    go_on()
    room.target.until_replaced(worker, pid)


def kill_the_bucket(room: Strongroom, go_on: Callable[[], None]) -> None:
    room.s3.kill()
    go_on()
    room.s3.start()


def kill_the_broker(room: Strongroom, go_on: Callable[[], None]) -> None:
    pid = room.target.hit("broker")
    go_on()
    room.target.until_replaced("broker", pid)


Blow = Callable[[Strongroom, Callable[[], None]], None]
BLOWS: Sequence[Blow] = (kill_the_bucket, kill_the_broker, kill_the_worker)


@pytest.mark.dealt(*BLOWS)
def test_a_backup_that_is_hit(room: Strongroom, attack: Attack, dealt: Sequence[Blow], run: int) -> None:
    with attack.accounted(room.target) as books:
        write(room, f"A page of {attack.scenario}, run {run}.")
        before, known = room.content(), backups(room)

        job_id = room.submitted("/v1/backups", {"mode": "full"})
        for blow in dealt:
            with held(room, job_id, *MAKING[run % len(MAKING)]) as go_on:
                assert backups(room) == known, "a backup that is not whole has a manifest"
                blow(room, go_on)
        job = room.ended(job_id)

        assert job["state"] == "succeeded", job
        assert job["result"]["documents"] == documents(room)
        assert backups(room) == [job_id, *known]
        books.account = account_of(room, before)
        assert books.account.clean, books.account.story()


@pytest.mark.dealt(*BLOWS)
def test_a_restore_that_is_hit(room: Strongroom, attack: Attack, dealt: Sequence[Blow], run: int) -> None:
    first, second = f"Before {attack.scenario}, run {run}.", "And a page that is to be gone."
    with attack.accounted(room.target) as books:
        write(room, first)
        saved, backup = room.content(), room.done("/v1/backups")["backup"]
        write(room, second)
        before = room.content()
        assert before != saved

        path, body = f"/v1/backups/{backup}/restore", {"replay": False}
        with watched(room) as pages:
            job_id = room.submitted(path, body)
            for blow in dealt:
                with held(room, job_id, *RESTORING[run % len(RESTORING)]) as go_on:
                    assert room.content() == before, "a restore that is not over shows"
                    blow(room, go_on)
            job = room.ended(job_id)
            assert job["state"] == "succeeded", job
            until(lambda: first in pages)

        assert pages == {first, second}
        books.account = account_of(room, saved)
        assert books.account.clean, books.account.story()


def test_the_account_sees_what_is_wrong(room: Strongroom) -> None:
    victim = max(room.tools.vault.newest().parts)
    Objects.of(room.settings).put_whole(victim, b"other bytes")
    stray = room.tools.vault.store(b"of no backup").key
    room.tools.vectors.ensure("left-1", CollectionSpec(8))

    faults = room.faults(settle=0)

    assert "store left-1 serves nothing" in faults
    assert f"{stray} is named by no backup" in faults
    assert any(f"{victim} is damaged" in fault for fault in faults), faults


# --- given, when, then


def write(room: Strongroom, page: str) -> None:
    """Ingest the page as the document that every attack changes."""
    body = {"text": page, "document_id": DIARY, "collection": LIBRARY.collection}
    room.done("/v1/documents", body)


def backups(room: Strongroom) -> list[str]:
    return list(room.tools.vault.backups())


def documents(room: Strongroom) -> int:
    return sum(each.documents for each in room.tools.documents.collections())


@contextmanager
def held(room: Strongroom, job_id: str, stage: str, call: str) -> Iterator[Callable[[], None]]:
    """Stop the job in the middle of the stage, at the call, until what is yielded is called."""
    traps, point = room.target.traps, f"backup.{call}"

    def is_in_the_middle() -> bool:
        traps.set(point, PAUSE)
        until(lambda: traps.sprung(point) is not None or over(room.now(job_id)), BACK_SECONDS)
        job = room.now(job_id)
        assert not over(job), f"it was never in the middle of {stage}: {job}"
        done, total = job["progress"]["done"], job["progress"]["total"]
        return bool(job["stage"] == stage and (stage in SHORT or 0 < done < total))

    until(is_in_the_middle, BACK_SECONDS)
    try:
        yield lambda: traps.release(point)
    finally:
        traps.release(point)


def over(job: JobPage) -> bool:
    return job["state"] not in ("queued", "running")


@contextmanager
def watched(room: Strongroom) -> Iterator[set[str]]:
    """Every text of the diary that a reader has seen until the block ends."""
    pages, enough = set[str](), Event()

    def look() -> None:
        with httpx.Client(base_url=room.target.url, timeout=30) as client:
            while not enough.wait(0.1):
                where = {"collection": LIBRARY.collection}
                try:
                    answer = client.get(f"/v1/documents/{DIARY}/text", params=where)
                except httpx.TransportError:
                    continue
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    pages.add(answer.text)

    reader = Thread(target=look, daemon=True)
    reader.start()
    try:
        yield pages
    finally:
        enough.set()
        reader.join()


def account_of(room: Strongroom, expected: Content) -> Account:
    """What is left once broken backups' parts are swept, and whether searches see what they should."""
    room.done("/v1/backups/prune")
    found = room.content()
    return Account(
        points=sum(each.points for each in found.values()),
        points_expected=sum(each.points for each in expected.values()),
        wrong=sum(found[name] != each for name, each in expected.items()),
        violations=len(room.ledger.violations),
        faults=[*room.faults(), *room.ledger.violations],
    )
