"""Two versions of Aegis share their stores for a while: what the later one adds does not stop the other.

What the earlier one could not read has a higher format, and is refused in words that say what to do.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import msgpack
import numpy as np
import pytest

from rag.access.keys import Key, Role, Secret, digest_of, key_fields
from rag.backups import contents
from rag.backups.contents import GoldenHit, GoldenQuery, SavedBlob, SavedDocument
from rag.backups.digest import ContentDigest
from rag.backups.vault import manifest_of
from rag.blobs.store import ObstoreBlobs
from rag.errors import ConfigurationError
from rag.jobs.scripts import job_of
from rag.journal.entries import (
    CollectionEntry,
    Deletion,
    collection_entry,
    collection_json,
    document_entry,
    document_json,
    job_fields,
    job_json,
    key_entry,
    key_json,
)
from rag.journal.journal import Journal
from rag.model import (
    Chunk,
    Document,
    Engine,
    Hit,
    Manifest,
    Passage,
    SavedCollection,
    SavedFile,
    SnapshotFile,
    SparseVector,
    StoredPart,
    Stream,
)
from rag.redis.health import read_health
from rag.redis.heartbeats import WorkerSign
from rag.redis.record_format import FORMAT, FORMAT_KEY
from tasks.publishing.bells import canary
from tasks.stages.artefacts import pack_chunks, pack_hits, unpack_chunks, unpack_hits

DOCUMENT = Document(
    document_id="vpn.md", collection="docs", generation=2, version=7, fingerprint="f" * 64, title="VPN",
    media_type="text/plain", source_key="sources/a", text_key="texts/a", chunks=3, tokens=300,
    created_at=1.5, updated_at=2.5,
)  # fmt: skip
BLOB = SavedBlob("texts/a", 3, "0" * 64, "blobs/1", 5)
COLLECTION = CollectionEntry("docs", 2, "minilm", 384, 1.5, 3, dropped=False)
DELETION = Deletion("docs", 2, "vpn.md", 7)
PASSAGE = Passage("0" * 8, "vpn.md", 7, 0, "text", "VPN", 0, 4)
CHUNK = Chunk(index=0, text="text", start=0, end=4, tokens=1)
HIT = Hit(PASSAGE, 0.5)
KEY = Key("a" * 16, "ci", Role.READ, ("*",), 1.5, "ops", secrets=(Secret(digest_of("x")),))
SIGN = WorkerSign("embed", "embed@host", 7, 1.0, None, None, 60.0, 30.0)
JOB = {"id": "0192", "kind": "ingest", "collection": "docs", "inputs": "{}", "created_at": "1.5"}
GOLDEN = GoldenQuery(
    "question",
    np.ones(2, np.float32),
    SparseVector(np.array([1], np.uint32), np.ones(1, np.float32)),
    (GoldenHit("0", "vpn.md", 7, 0.5),),
)
MANIFEST = Manifest(
    id="0192", began_at=1.0, finished_at=2.0, mode="incremental", trigger="request", application="0.2.0",
    engine=Engine("edge", "0.9"), sources="copied",
    collections=(
        SavedCollection(
            name="docs", store="docs-2", generation=2, layout=0, embedding_model="minilm", dimension=384,
            token_dimension=None, created_at=1.5, highest=7, documents=1, points=3, late=0, digest="0",
            packs={}, files=(SavedFile(SnapshotFile("docs-2", "", "a", 1), "files/a"),),
            documents_stream="documents/docs-2", golden_stream="golden/docs-2",
        ),
    ),
    streams=(Stream("jobs", (StoredPart("parts/a", 1, "0" * 64, 1),)),),
)  # fmt: skip


def with_more(value: Any) -> Any:
    """Every object within has one field more; an empty one is a mapping of free content."""
    if isinstance(value, dict) and value:
        return {**{name: with_more(each) for name, each in value.items()}, "of_a_later_version": "x"}
    return [with_more(each) for each in value] if isinstance(value, list | tuple) else value


def later_line(line: bytes) -> bytes:
    return json.dumps(with_more(json.loads(line))).encode()


def later_pack(data: bytes) -> bytes:
    return bytes(msgpack.packb(with_more(msgpack.unpackb(data))))


@pytest.mark.parametrize(
    ("read", "written", "meant"),
    [
        pytest.param(
            contents.saved_document,
            contents.document_line(SavedDocument(DOCUMENT, ContentDigest(3, 5))),
            SavedDocument(DOCUMENT, ContentDigest(3, 5)),
            id="a backup's document",
        ),
        pytest.param(contents.saved_blob, contents.blob_line(BLOB), BLOB, id="a backup's blob"),
        pytest.param(
            lambda line: document_entry("a", line),
            document_json(DOCUMENT),
            DOCUMENT,
            id="the journal's document",
        ),
        pytest.param(
            lambda line: document_entry("a.deleted", line), document_json(DELETION), DELETION, id="a deletion"
        ),
        pytest.param(
            lambda line: collection_entry("", line),
            collection_json(COLLECTION),
            COLLECTION,
            id="a collection",
        ),
        pytest.param(lambda line: key_entry("", line), key_json(KEY), KEY, id="a made key"),
    ],
)
def test_a_line_with_more_fields_is_read_without_them(
    read: Callable[[bytes], object], written: bytes, meant: object
) -> None:
    assert read(later_line(written)) == meant


def test_a_golden_query_with_more_fields_is_read_without_them() -> None:
    read = contents.golden_query(later_line(contents.golden_line(GOLDEN)))

    assert (read.text, read.hits) == (GOLDEN.text, GOLDEN.hits)


def test_a_manifest_with_more_fields_is_read_without_them() -> None:
    written = json.loads(json.dumps(asdict(MANIFEST)))

    assert manifest_of(with_more(written)) == MANIFEST


def test_what_a_later_stage_left_is_read_without_its_new_fields() -> None:
    assert unpack_hits(later_pack(pack_hits([HIT]))) == [Hit(PASSAGE, 0.5)]
    assert unpack_chunks(later_pack(pack_chunks("VPN", [CHUNK]))) == ("VPN", [CHUNK])


def test_a_worker_that_reports_more_is_as_alive() -> None:
    assert WorkerSign.of(with_more(SIGN.words())) == SIGN


def test_a_job_with_more_fields_is_read_and_its_entry_keeps_them() -> None:
    fields = JOB | {"state": "queued", "stage": "parse", "queued_at": "1.5", "attempts": "0", "token": "0"}
    later = fields | {"of_a_later_version": "x"}
    pairs = [part.encode() for pair in later.items() for part in pair]

    assert job_of((pairs, None, None)).id == "0192"
    assert job_fields("", job_json(later)) == later


def test_a_message_with_more_arguments_reaches_its_task() -> None:
    from tasks.app import app  # noqa: PLC0415
    from tasks.lanes import LANES  # noqa: PLC0415
    from tasks.stages import stage  # noqa: F401, PLC0415 - registers the lanes' tasks

    for task in (canary, *(app.tasks[lane.task] for lane in LANES)):
        task.__header__("embed", "more", of_a_later_version="x")


def broker(**records: bytes) -> Any:
    info = {"aof_enabled": 1, "redis_version": "8.0.0"}
    return SimpleNamespace(info=lambda: info, get=lambda key: records.get(key.rpartition(":")[2]))


def test_records_of_a_later_format_are_not_touched() -> None:
    later = broker(format=str(FORMAT + 1).encode())

    (risk,) = read_health(later, may_forget=False).risks

    assert risk == (
        f"the records in Redis have format {FORMAT + 1}, and this version of Aegis reads format {FORMAT}: "
        "start the version that wrote them, or a later one"
    )
    with pytest.raises(ConfigurationError, match="have format"):
        read_health(later, may_forget=False).require_safe()


@pytest.mark.parametrize("records", [{}, {"format": b"1"}], ids=["from before the key", "of this version"])
def test_records_of_this_format_are_in_order(records: dict[str, bytes]) -> None:
    assert FORMAT_KEY.endswith(":format")
    assert read_health(broker(**records), may_forget=False).risks == ()


def test_a_journal_of_a_later_format_rebuilds_nothing() -> None:
    blobs = ObstoreBlobs("memory:///")
    blobs.put("journal/format", b"3")

    with pytest.raises(
        ConfigurationError, match=r"format 3.*reads format 2: start the version that wrote it"
    ):
        Journal(blobs).check_format()


@pytest.mark.parametrize("written", [None, b"", b"1"], ids=["none", "cut off", "this one"])
def test_a_journal_tells_its_format_from_the_first_check_on(written: bytes | None) -> None:
    blobs = ObstoreBlobs("memory:///")
    if written is not None:
        blobs.put("journal/format", written)

    Journal(blobs).check_format()

    assert blobs.get("journal/format") == b"1"


def test_keys_are_read_as_they_were_written() -> None:
    assert key_entry("", json.dumps(key_fields(KEY)).encode()) == KEY
