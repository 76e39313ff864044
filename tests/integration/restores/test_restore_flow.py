"""Collections come back out of a backup: whole, beside what serves, in one step, and with what came later."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import time

import pytest
import redis

from rag.access.keys import Key, KeyState, Secret, new_id, new_token
from rag.access.keys import digest_of as digest_of_key
from rag.errors import Conflict, WrongKey
from rag.model import JobState, Point, Stage
from rag.registry.keys import KeyRegistry
from rag.settings import Role
from tasks.submit.backups import Restoring
from tasks.submit.submissions import Submissions
from tasks.upkeep.layouts import put_in_order
from tasks.upkeep.rebuild import rebuild_records
from tests.deliveries import finished, step
from tests.integration.brokers import declare_intact
from tests.integration.inprocess import DIMENSIONS, OLD, InProcess
from tests.integration.installations import (
    COLLECTION,
    Install,
    answered,
    backed_up,
    brought,
    desk_of,
    digest_of,
    ingested,
    names,
    restoring,
    seen,
    succeeded,
)
from tests.integration.restores.steps import killed, settled, until, until_points_are_read

KEY = "correct horse battery"


def test_everything_comes_back_to_new_machines(installed: Install, redis_client: redis.Redis) -> None:
    tools = installed("first", backup_key=KEY)
    desk = desk_of(tools)
    tools.documents.put_collection(COLLECTION, OLD, DIMENSIONS[OLD])
    ingested(tools, desk, *names(7))
    finished(tools, desk.delete_document(COLLECTION, "isle03").id)
    dead, on_its_way = brought(desk, "dead"), brought(desk, "late")
    killed(tools, dead)
    good, gone = (new_key(name) for name in ("good", "gone"))
    for key in (good, gone):
        tools.restoration.journal.put_key(key if key is good else key.revoked(time()))
    before, digest, words = seen(tools), digest_of(tools), "Who hangs the lantern of isle05?"
    hits = answered(tools, desk, words)
    backed_up(tools, desk)
    redis_client.flushall()
    declare_intact(redis_client)
    with pytest.raises(WrongKey):
        restoring(desk_of(installed("third", backup_key=KEY[::-1])))
    tools = installed("second", backup_key=KEY)
    desk = desk_of(tools)

    job = succeeded(tools, restoring(desk))

    assert job.result is not None
    assert job.result["documents"] == len(before) == 6
    assert job.result["keys"] == 2
    assert keys_in(redis_client, tools) == {good.id: KeyState.SUSPENDED, gone.id: KeyState.REVOKED}
    assert (job.result["dead_letters"], job.result["missing"], job.result["not_replayed"]) == (1, [], [])
    assert (job.result["golden"] > 0, job.result["overlap"]) == (True, 1.0)
    assert (seen(tools), digest_of(tools)) == (before, digest)
    assert answered(tools, desk, words) == hits != []
    assert finished(tools, on_its_way).state is JobState.SUCCEEDED
    assert finished(tools, desk.dead_letters.replay(dead).id).state is JobState.SUCCEEDED
    assert {"dead", "late"} <= seen(tools).keys()
    for document in tools.documents.page(COLLECTION, cursor=None, limit=99).items:
        assert tools.blobs.exists(document.source_key)
        assert tools.blobs.exists(document.text_key)


def new_key(name: str) -> Key:
    key_id = new_id()
    return Key(key_id, name, Role.READ, ("*",), time(), "root", (Secret(digest_of_key(new_token(key_id))),))


def keys_in(client: redis.Redis, tools: InProcess) -> dict[str, KeyState]:
    """Of the records; those in the journal are the same."""
    kept = {each.key.id: each.key for each in KeyRegistry(client, tools.journal, 86400).all()}
    assert kept == {key.id: key for key in tools.journal.made_keys()}
    return {key.id: key.state(time()) for key in kept.values()}


def test_a_key_that_was_revoked_since_the_backup_stays_revoked(
    tools: InProcess, desk: Submissions, redis_client: redis.Redis
) -> None:
    ingested(tools, desk, "isle01")
    registry = KeyRegistry(redis_client, tools.journal, 86400)
    key, other = new_key("ci"), new_key("other")
    registry.add(key)
    registry.add(other)
    backed_up(tools, desk)
    registry.change(key.id, lambda known: known.revoked(time()))

    job = succeeded(tools, restoring(desk))

    assert job.result is not None
    assert job.result["keys"] == 0
    assert keys_in(redis_client, tools) == {key.id: KeyState.REVOKED, other.id: KeyState.ACTIVE}


def test_what_was_accepted_later_is_done_again(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(6))
    early = brought(desk, "early")
    dead = brought(desk, "dead")
    killed(tools, dead)
    backed_up(tools, desk)
    ingested(tools, desk, "isle01", text="The buoy of isle01 is striped.")
    ingested(tools, desk, "isle01", text="The buoy of isle01 is red.")
    ingested(tools, desk, "fresh", "gone")
    for name in ("isle02", "gone"):
        finished(tools, desk.delete_document(COLLECTION, name).id)
    finished(tools, early)
    on_its_way = brought(desk, "isle04", "The harbour of isle04 is deep.")
    step(tools, on_its_way)
    before = {**seen(tools), "isle04": "The harbour of isle04 is deep.\n"}
    former = tools.documents.collection(COLLECTION)

    job = succeeded(tools, restoring(desk, deletions=True))
    settled(tools)

    assert job.result is not None
    assert (job.result["not_replayed"], job.result["undeleted"]) == ([], [])
    assert seen(tools) == before
    assert finished(tools, on_its_way).state is JobState.SUCCEEDED
    assert succeeded(tools, desk.dead_letters.replay(dead).id)
    assert former is not None
    assert former.store not in tools.vectors.collections()
    for sort in ("sources", "texts", "journal/documents"):
        assert not list(tools.blobs.keys(f"{sort}/{former.folder}"))


def test_what_was_deleted_later_is_back(tools: InProcess, desk: Submissions) -> None:
    """A page that came and went after the backup is not, nor is one that is deleted meanwhile."""
    ingested(tools, desk, *names(3))
    before = seen(tools)
    backed_up(tools, desk)
    ingested(tools, desk, "fresh")
    ingested(tools, desk, "isle02", text="The buoy of isle02 is striped.")
    for name in ("isle00", "isle02", "fresh"):
        finished(tools, desk.delete_document(COLLECTION, name).id)

    job_id = restoring(desk)
    until(tools, job_id, Stage.SWITCH)
    ingested(tools, desk, "isle00", text="The buoy of isle00 is red.")
    finished(tools, desk.delete_document(COLLECTION, "isle00").id)
    job = succeeded(tools, job_id)
    settled(tools)

    assert job.result is not None
    assert (job.result["not_replayed"], job.result["undeleted"]) == ([], ["isle02"])
    assert seen(tools) == {name: text for name, text in before.items() if name != "isle00"}


def test_what_was_accepted_later_is_left_out_on_request(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(2))
    before = seen(tools)
    manifest = backed_up(tools, desk)
    ingested(tools, desk, "second")
    between = {**seen(tools)}
    moment = time()
    ingested(tools, desk, "third")
    finished(tools, desk.delete_document(COLLECTION, "isle00").id)
    assert answered(tools, desk, "Who hangs the lantern of third?") == answered(
        tools, desk, "Who hangs the lantern of third?", cached=True
    )

    assert succeeded(tools, restoring(desk, backup=manifest.id, at=moment))
    settled(tools)
    assert seen(tools) == between
    assert "third" not in answered(tools, desk, "Who hangs the lantern of third?")

    assert succeeded(tools, restoring(desk, backup=manifest.id, replay=False))
    settled(tools)
    assert seen(tools) == before


def test_another_name_leaves_everything_as_it_is(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(3))
    saved = seen(tools)
    backed_up(tools, desk)
    ingested(tools, desk, "later")
    before = tools.documents.collection(COLLECTION)

    assert succeeded(tools, restoring(desk, collection=COLLECTION, into="copy"))
    settled(tools)

    assert seen(tools, "copy") == saved
    assert tools.documents.collection(COLLECTION) == before
    with pytest.raises(Conflict, match="copy"):
        restoring(desk, collection=COLLECTION, into="copy")


def test_a_damaged_object_is_refused_by_name(tools: InProcess, desk: Submissions, tmp_path: Path) -> None:
    ingested(tools, desk, *names(2))
    manifest = backed_up(tools, desk)
    before, stores = state_of(tools), tools.vectors.collections()
    part = min(manifest.parts)
    path = tmp_path / "bucket" / part
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    for hand_in in (desk.backups.verify, desk.backups.rehearse, lambda _: desk.backups.restore(Restoring())):
        job = finished(tools, hand_in(manifest.id).job.id)
        assert job.state is JobState.FAILED
        assert job.error is not None
        assert part in job.error["detail"]

    assert (state_of(tools), tools.vectors.collections()) == (before, stores)


def test_points_that_are_not_those_that_were_saved_are_refused(
    tools: InProcess, desk: Submissions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingested(tools, desk, *names(3))
    backed_up(tools, desk)
    before, stores = state_of(tools), tools.vectors.collections()
    real, lost = tools.vectors.upsert, []

    def lossy(store: str, points: Sequence[Point]) -> None:
        real(store, points)
        lost.append(points[0].passage.document_id)
        tools.vectors.delete(store, lost[-1])

    monkeypatch.setattr(tools.vectors, "upsert", lossy)
    job = finished(tools, restoring(desk))
    settled(tools)

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert f"{lost[-1]} has 0 of 2 points" in job.error["detail"]
    assert (state_of(tools), tools.vectors.collections()) == (before, stores)


def state_of(tools: InProcess) -> tuple[object, ...]:
    """What serves, and what is stored beside it."""
    blobs = sorted(key for key in tools.blobs.keys("") if key.startswith(("sources", "texts", "journal/doc")))
    return seen(tools), tools.documents.collections(), blobs


def test_a_cancelled_restore_leaves_nothing(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(3))
    backed_up(tools, desk)
    before, stores = state_of(tools), tools.vectors.collections()
    job_id = restoring(desk)
    until(tools, job_id, Stage.SWITCH)
    assert tools.vectors.collections() != stores

    desk.cancel(job_id)
    settled(tools)

    assert (state_of(tools), tools.vectors.collections()) == (before, stores)
    assert tools.documents.reservations() == ()


def test_a_rehearsal_leaves_nothing(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, *names(3))
    manifest = backed_up(tools, desk)
    before, stores = state_of(tools), tools.vectors.collections()
    broken_off = desk.backups.rehearse(manifest.id).job.id
    until(tools, broken_off, Stage.CHECK)
    desk.cancel(broken_off)
    put_in_order(tools)

    job = succeeded(tools, desk.backups.rehearse(manifest.id).job.id)

    assert job.result is not None
    assert (job.result["documents"], job.result["points"], job.result["overlap"]) == (3, 6, 1.0)
    assert (state_of(tools), tools.vectors.collections()) == (before, stores)


class Killed(BaseException):
    """The worker, in the middle of a stage."""


@pytest.mark.parametrize(
    "moment",
    [
        "before documents.stage",
        "before documents.replace",
        "before journal.put_collection",
        "after documents.replace",
    ],
)
def test_a_switch_that_breaks_off_ends_in_one_of_two_states(
    tools: InProcess,
    desk: Submissions,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    ingested(tools, desk, *names(3))
    saved = seen(tools)
    backed_up(tools, desk)
    ingested(tools, desk, "isle01", text="The buoy of isle01 is red.")
    later = seen(tools)
    job_id = restoring(desk, replay=False)
    until(tools, job_id, Stage.SWITCH)

    when, place = moment.split()
    part, name = place.split(".")
    owner = getattr(tools, part)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, _breaking(getattr(owner, name), done=when == "after"))
        with pytest.raises(Killed):
            until(tools, job_id, Stage.REPLAY)
    assert seen(tools) in (saved, later)
    redis_client.flushall()
    rebuild_records(tools.restoration)

    assert seen(tools) in (saved, later)
    assert succeeded(tools, job_id)
    settled(tools)
    assert seen(tools) == saved
    collection = tools.documents.collection(COLLECTION)
    assert collection is not None
    assert tools.vectors.collections() == (collection.store,)
    folders = {key.split("/")[1] for sort in ("sources", "texts") for key in tools.blobs.keys(sort)}
    assert folders == {collection.folder}


def _breaking(call: Callable[..., object], *, done: bool) -> Callable[..., object]:
    def broken(*args: object, **named: object) -> object:
        if done:
            call(*args, **named)
        raise Killed

    return broken


def test_what_changes_while_a_backup_is_made_is_right_too(
    tools: InProcess,
    desk: Submissions,
    redis_client: redis.Redis,
    installed: Install,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingested(tools, desk, *names(3))
    backup = desk.backups.back_up("incremental", "request").job.id
    until_points_are_read(tools, backup, monkeypatch)
    ingested(tools, desk, "fresh")
    ingested(tools, desk, "isle01", text="The buoy of isle01 is red.")
    finished(tools, desk.delete_document(COLLECTION, "isle02").id)
    before = seen(tools)
    assert succeeded(tools, backup)
    redis_client.flushall()
    declare_intact(redis_client)
    tools = installed("second")
    backed_up(tools, desk_of(tools))

    job = succeeded(tools, restoring(desk_of(tools)))
    settled(tools)

    assert job.result is not None
    assert job.result["backup"] == backup
    assert (job.result["documents"], job.result["reingested"], job.result["missing"]) == (1, 2, [])
    assert seen(tools) == before
    assert tools.vectors.count(f"{COLLECTION}-2") == sum(len(text.splitlines()) for text in before.values())
    assert len(list(tools.blobs.keys(f"sources/{COLLECTION}-2"))) == len(before)


def test_sources_that_were_only_named_are_brought_over(installed: Install) -> None:
    tools = installed(backup_sources="referenced")
    desk = desk_of(tools)
    tools.documents.put_collection(COLLECTION, OLD, DIMENSIONS[OLD])
    ingested(tools, desk, *names(2))
    before = seen(tools)
    backed_up(tools, desk)
    lost = tools.documents.get(COLLECTION, "isle01")
    assert lost is not None
    tools.blobs.delete(lost.source_key)

    job = succeeded(tools, restoring(desk))
    settled(tools)

    assert job.result is not None
    assert [line for line in job.result["missing"] if "isle01" in line and lost.source_key in line]
    assert seen(tools) == before
    kept = tools.documents.get(COLLECTION, "isle00")
    assert kept is not None
    assert tools.blobs.exists(kept.source_key)
