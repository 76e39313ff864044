"""Who may read and write an encrypted vault, and what of it can be seen without its key."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

import pytest

from rag.backups.encryption import encode_object
from rag.backups.objects import Objects
from rag.backups.vault import StreamWriter, Vault
from rag.errors import BackupError, WrongKey
from tests.contract.vaults import KEY, PIECE, TEXT, backed_up, contents, manifest_of, restored
from tests.s3server import S3Server
from tests.system.running import free_port

ROOT = Path(__file__).parents[2]
START = """
from rag.settings import load
from rag.startup import starting
from rag.backups.startup_check import check_backups
with starting("it"):
    check_backups(load())
"""

pytestmark = pytest.mark.usefixtures("quick_keys")


class TestKeys:
    def test_nothing_of_what_is_saved_can_be_read_or_recognized(self, objects: Objects) -> None:
        backed_up(Vault(objects, KEY))
        told = {name.encode() for name in objects.keys("parts")}

        everything = b"".join([*contents(objects).values(), *told])

        pieces = [TEXT[start : start + PIECE] for start in range(0, len(TEXT), PIECE)]
        for secret in (b"lighthouse", b"texts", b"incremental", KEY.encode(), *pieces):
            assert secret not in everything
            assert sha256(secret).hexdigest().encode() not in everything

    @pytest.mark.parametrize("given", [None, "another passphrase, as long"], ids=["no key", "another key"])
    def test_without_the_right_key_nothing_is_read_or_written(
        self, objects: Objects, given: str | None
    ) -> None:
        first, *_ = backed_up(Vault(objects, KEY)).parts.values()
        before = contents(objects)

        calls: list[Callable[[Vault], object]] = [
            lambda vault: vault.probe(),
            lambda vault: vault.manifest("1"),
            lambda vault: vault.newest(),
            lambda vault: vault.piece(first),
            lambda vault: vault.store(b"another text"),
            lambda vault: vault.seal(manifest_of(name="2")),
        ]
        for call in calls:
            with pytest.raises(WrongKey, match="BACKUP_KEY"):
                call(Vault(objects, given))
        assert contents(objects) == before

    def test_what_was_made_without_a_key_is_read_with_one(self, objects: Objects) -> None:
        backed_up(Vault(objects), "1")

        backed_up(Vault(objects, KEY), "2")

        assert restored(Vault(objects, KEY), "1") == restored(Vault(objects, KEY), "2") == TEXT
        with pytest.raises(WrongKey):
            Vault(objects).store(TEXT)

    def test_one_in_the_open_is_nobodys_newest_where_there_is_a_key(self, objects: Objects) -> None:
        """Whoever can write to the bucket could have put it there."""
        backed_up(Vault(objects, KEY), "1")
        forged = replace(manifest_of(name="2"), encrypted=True)
        objects.put_whole(
            "manifests/2", encode_object({"encryption": None}, json.dumps(asdict(forged)).encode())
        )

        for asked in (Vault(objects, KEY).newest, Vault(objects, KEY).latest):
            with pytest.raises(BackupError, match="Backup 2 is not encrypted although BACKUP_KEY is set"):
                asked()
        assert Vault(objects, KEY).manifest("2") == replace(forged, encrypted=False)

    def test_without_the_vaults_own_object_backups_are_read_and_the_next_makes_it_again(
        self, objects: Objects
    ) -> None:
        backed_up(Vault(objects, KEY))
        before = contents(objects)

        objects.delete("vault")

        assert restored(Vault(objects, KEY)) == TEXT
        with pytest.raises(WrongKey):
            Vault(objects, "another passphrase, as long").store(TEXT)
        list(StreamWriter(Vault(objects, KEY), PIECE).stream([TEXT]))
        assert contents(objects) == before

    def test_several_may_begin_one_at_once(self, objects: Objects) -> None:
        with ThreadPoolExecutor(3) as pool:
            parts = list(pool.map(lambda _: Vault(objects, KEY).store(TEXT), range(3)))

        assert len(set(parts)) == 1
        assert Vault(objects, KEY).piece(parts[0]) == TEXT


def test_a_process_starts_only_with_a_store_and_a_key_that_fit(s3: S3Server, tmp_path: Path) -> None:
    backed_up(Vault(Objects(tmp_path.as_uri()), KEY))
    away = f"http://127.0.0.1:{free_port()}"
    another_key = {"BACKUP_URL": tmp_path.as_uri(), "BACKUP_KEY": "another passphrase, as long"}
    cases = {
        ("cannot start: BACKUP_KEY is not the passphrase of vault", True): another_key,
        ("create it, or change BACKUP_URL", True): {"BACKUP_URL": "s3://no-such-bucket"},
        ("the backup store is not ready", False): {"BACKUP_URL": "s3://other", "AWS_ENDPOINT_URL": away},
    }

    started = {
        case: subprocess.Popen(
            [sys.executable, "-c", START],
            cwd=ROOT,
            env={**os.environ, **s3.environment, **variables},
            stderr=subprocess.PIPE,
            text=True,
        )
        for case, variables in cases.items()
    }

    for (said, stops), process in started.items():
        (line,) = process.communicate(timeout=120)[1].splitlines()
        assert said in line
        assert bool(process.returncode) == stops
