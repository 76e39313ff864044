"""What a vault must do in a folder, in memory and in a bucket, encrypted and not."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from rag.backups.encryption import encode_object
from rag.backups.objects import Objects
from rag.backups.vault import StreamWriter, Vault
from rag.errors import BackupError, ConfigurationError, DamagedBackup, NotFound, Unavailable
from rag.model import Stream
from rag.settings import Settings
from tests.contract.buckets import through
from tests.contract.vaults import (
    PIECE,
    TEXT,
    backed_up,
    contents,
    flipped,
    in_bucket,
    manifest_of,
    restored,
    saved_collection,
)
from tests.s3server import S3Server

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("quick_keys")


class Usage(NamedTuple):
    """Of a disk, in bytes."""

    free: int


class TestBackups:
    def test_one_comes_back_elsewhere(self, objects: Objects, key: str | None) -> None:
        manifest = backed_up(Vault(objects, key))

        elsewhere = Vault(objects, key)

        assert restored(elsewhere) == TEXT
        assert elsewhere.manifest("1") == replace(manifest, encrypted=key is not None)

    def test_each_has_all_and_sends_what_is_not_there(self, objects: Objects, key: str | None) -> None:
        backed_up(Vault(objects, key), "1")
        before = contents(objects)

        backed_up(Vault(objects, key), "2", TEXT + b"And the tide is low.")

        sent = {name for name in contents(objects) if name not in before and name.startswith("parts")}
        assert len(sent) == 2, "the last part, and one more"
        assert restored(Vault(objects, key), "1") == TEXT
        assert restored(Vault(objects, key), "2") == TEXT + b"And the tide is low."

    def test_a_folder_keeps_room_for_others(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        objects = Objects(tmp_path.as_uri())
        backed_up(Vault(objects))
        before = contents(objects)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(200 << 20))

        with pytest.raises(Unavailable, match="200 MB are free"):
            backed_up(Vault(objects), "2", b"Something else.")

        assert contents(objects) == before

    def test_they_are_listed_from_the_newest_on(self, objects: Objects) -> None:
        vault = Vault(objects)
        for n in (1, 3, 2):
            vault.seal(manifest_of(name=f"b-{n}", finished_at=10.0 * n))

        assert vault.backups() == ["b-3", "b-2", "b-1"]
        assert vault.newest().id == "b-3"
        assert vault.newest(before=25.0).id == "b-2"
        with pytest.raises(NotFound, match="no backup that old"):
            vault.newest(before=9.9)
        with pytest.raises(NotFound, match="no backup b-4"):
            vault.manifest("b-4")

    def test_the_latest_is_the_newest_that_has_documents(self, objects: Objects) -> None:
        vault, empty = Vault(objects), manifest_of().collections
        assert empty == ()
        for n, saved in enumerate((empty, (saved_collection(3),), (saved_collection(0),), empty), start=1):
            vault.seal(replace(manifest_of(name=f"b-{n}", finished_at=10.0 * n), collections=saved))

        assert vault.newest().id == "b-4"
        assert vault.latest().id == vault.latest(before=25.0).id == "b-2"
        assert vault.latest(before=15.0).id == "b-1", "there is no other"
        with pytest.raises(NotFound, match="no backup that old"):
            vault.latest(before=9.9)

    def test_what_began_later_is_not_read_for_an_earlier_time(self, objects: Objects) -> None:
        vault, noon = Vault(objects), 1_700_000_000.0
        earlier, later = (str(UUID(int=int(at * 1000) << 80)) for at in (noon, noon + 600))
        vault.seal(manifest_of(name=earlier, finished_at=noon + 60))
        objects.put_whole(f"manifests/{later}", b"no manifest")

        assert vault.newest(before=noon + 300).id == earlier
        with pytest.raises(DamagedBackup, match=later):
            vault.newest()

    def test_none_is_made_whose_parts_are_not_all_there(self, objects: Objects, key: str | None) -> None:
        vault = Vault(objects, key)
        part = vault.store(TEXT)
        vault.sweep(())

        with pytest.raises(DamagedBackup, match=f"^{part.key} is missing"):
            vault.seal(manifest_of(Stream("texts", (part,))))
        assert vault.backups() == []


class TestDamage:
    def test_a_flipped_byte_anywhere_is_refused_by_name(self, objects: Objects, key: str | None) -> None:
        backed_up(Vault(objects, key))
        step = 1 if objects._address.startswith("memory:") else 67

        for name, data in contents(objects).items():
            for place in range(0, len(data), step):
                objects.put_whole(name, flipped(data, place))
                with pytest.raises(DamagedBackup, match=f"^{name} is damaged"):
                    restored(Vault(objects, key))
            objects.put_whole(name, data)
        assert restored(Vault(objects, key)) == TEXT

    def test_whatever_is_missing_cut_or_in_anothers_place_is_refused_by_name(
        self, objects: Objects, key: str | None
    ) -> None:
        first, second, _ = backed_up(Vault(objects, key)).parts.values()
        data = objects.get(first.key)

        for wrong in (b"", data[:-1], data + b"1", objects.get(second.key)):
            objects.put_whole(first.key, wrong)
            with pytest.raises(DamagedBackup, match=f"^{first.key} is damaged"):
                Vault(objects, key).piece(first)
        objects.delete(first.key)
        with pytest.raises(DamagedBackup, match=f"^{first.key} is missing"):
            restored(Vault(objects, key))

    def test_sending_it_anew_heals_older_backups_too(self, objects: Objects, key: str | None) -> None:
        vault = Vault(objects, key)
        for part in backed_up(vault).parts.values():
            objects.put_whole(part.key, flipped(objects.get(part.key), 3))

        list(StreamWriter(vault, PIECE, resend=True).stream([TEXT]))

        assert restored(vault) == TEXT

    def test_a_part_cut_short_by_a_power_cut_is_sent_again(self, objects: Objects, key: str | None) -> None:
        vault = Vault(objects, key)
        part = vault.store(TEXT)
        objects.put_whole(part.key, b"")

        assert vault.store(TEXT) == part
        assert vault.piece(part) == TEXT

    def test_a_manifest_under_anothers_name_is_refused(self, objects: Objects, key: str | None) -> None:
        backed_up(Vault(objects, key))
        objects.put_whole("manifests/2", objects.get("manifests/1"))

        with pytest.raises(DamagedBackup, match=r"^manifests/2 is damaged"):
            Vault(objects, key).manifest("2")

    @pytest.mark.parametrize("fields", [{}, {"id": "1"}, [], None])
    def test_what_is_no_manifest_is_damage(self, fields: object) -> None:
        objects = Objects("memory:///")
        objects.put_whole("manifests/1", encode_object({}, json.dumps(fields).encode()))

        with pytest.raises(DamagedBackup, match=r"^manifests/1 is damaged"):
            Vault(objects).manifest("1")

    def test_what_the_store_itself_cannot_read_is_damage(self, s3: S3Server) -> None:
        folder = str(uuid4())
        manifest = backed_up(Vault(in_bucket(s3, folder)))

        def failing(data: bytes) -> bytes:
            return data.replace(b"200 OK", b"500 Internal Server Error") if TEXT[:PIECE] in data else data

        with through(s3, inward=failing) as proxy:
            vault = Vault(in_bucket(proxy, folder))
            assert vault.manifest("1") == manifest
            with pytest.raises(DamagedBackup, match=f"^{next(iter(manifest.parts))} is damaged"):
                restored(vault)

    def test_a_store_that_can_read_nothing_is_away(self, s3: S3Server) -> None:
        folder = str(uuid4())
        first, *_ = backed_up(Vault(in_bucket(s3, folder))).parts.values()

        def failing(data: bytes) -> bytes:
            bytes_of_one = TEXT[:PIECE] in data or b'"format"' in data
            return data.replace(b"200 OK", b"500 Internal Server Error") if bytes_of_one else data

        with through(s3, inward=failing) as proxy, pytest.raises(Unavailable, match="Backup store"):
            Vault(in_bucket(proxy, folder)).piece(first)

    def test_a_later_format_is_refused_with_what_to_do(self) -> None:
        objects = Objects("memory:///")
        objects.put_whole("manifests/1", encode_object({"format": 2}, b"unheard of"))

        with pytest.raises(BackupError, match=r"format 2.*reads format 1: use the version that made it"):
            Vault(objects).manifest("1")


def test_a_kill_in_the_middle_of_sealing_leaves_no_backup(s3: S3Server) -> None:
    folder = str(uuid4())
    program = f"""
from dataclasses import replace
from tests.contract.vaults import S3Server, Vault, in_bucket, manifest_of
import sys

vault = Vault(in_bucket(S3Server(int(sys.argv[1])), {folder!r}))
vault.seal(manifest_of())
vault.seal(replace(manifest_of(name="2"), configuration={{"long": "x" * 20_000_000}}))
"""
    passed = 0

    def deadly(data: bytes) -> bytes:
        nonlocal passed
        passed += len(data)
        if passed > 10_000_000:
            os.kill(process.pid, signal.SIGKILL)
        return data

    with through(s3, outward=deadly) as proxy:
        process = subprocess.Popen([sys.executable, "-c", program, str(proxy.port)], cwd=ROOT)
        assert process.wait(120) == -signal.SIGKILL

    assert Vault(in_bucket(s3, folder)).backups() == ["1"]


def test_an_address_that_cannot_be_one_is_told_by_its_setting() -> None:
    with pytest.raises(ConfigurationError, match=r"^BACKUP_URL ftp://host/folder"):
        Vault.of(Settings(backup_url="ftp://host/folder"))
