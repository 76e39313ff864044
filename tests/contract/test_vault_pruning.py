"""What a vault removes when it is pruned, and what a store may keep all the same."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from uuid import uuid4

import pytest

from rag.backups import vault as vaults
from rag.backups.objects import Objects
from rag.backups.vault import StreamWriter, Vault
from rag.errors import DamagedBackup, Unavailable
from rag.redis.locks import HeldLock
from tests.contract.buckets import HTTP, administer
from tests.contract.vaults import KEY, PIECE, TEXT, backed_up, in_bucket, restored
from tests.s3server import BUCKET, S3Server, environment
from tests.system.running import free_port

LOCKED_FOR_A_DAY = (
    '<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>"
    "<Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
)

pytestmark = pytest.mark.usefixtures("quick_keys")


class TestPruning:
    def test_what_no_backup_needs_is_swept(self, objects: Objects, key: str | None) -> None:
        vault = Vault(objects, key)
        backed_up(vault, "1")
        kept = backed_up(vault, "2", TEXT + b"And the tide is low.")

        assert vault.forget("1")
        swept = vault.sweep(kept.parts)

        assert vault.backups() == ["2"]
        assert (swept.removed, swept.locked, swept.reached) == (1, 0, None)
        assert swept.size > 0
        assert restored(vault, "2") == TEXT + b"And the tide is low."

    def test_it_goes_on_from_where_it_ended(self, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vaults, "BATCH", 2)
        vault = Vault(objects)
        _, second, third = sorted(backed_up(vault).parts)

        swept = vault.sweep((), seconds=0)
        assert (swept.removed, swept.reached) == (2, second)
        assert list(objects.keys("parts")) == [third]

        swept = vault.sweep((), after=second)
        assert (swept.removed, swept.reached) == (1, None)
        assert list(objects.keys("parts")) == []

    def test_it_ends_when_somebody_else_may_store_parts(
        self, objects: Objects, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(vaults, "BATCH", 1)
        vault = Vault(objects)
        first, *others = sorted(backed_up(vault).parts)
        turn = HeldLock(until=inf)

        def lose(_: object, keys: Sequence[str]) -> set[str]:
            turn.until = -inf
            return removing(objects, keys)

        removing = Objects.remove
        monkeypatch.setattr(Objects, "remove", lose)

        swept = vault.sweep((), alone=turn)

        assert (swept.removed, swept.reached) == (1, first)
        assert sorted(objects.keys("parts")) == others
        assert vault.sweep((), after=first, alone=turn).reached == first

    def test_forgetting_twice_is_fine(self, objects: Objects) -> None:
        backed_up(Vault(objects))

        assert Vault(objects).forget("1")
        assert Vault(objects).forget("1")

    def test_what_killed_writers_left_in_a_folder_goes(self, tmp_path: Path) -> None:
        objects = Objects(tmp_path.as_uri())
        backed_up(Vault(objects))
        unfinished = tmp_path / "parts" / "00" / "0000#1"
        unfinished.parent.mkdir(exist_ok=True)
        unfinished.write_bytes(b"half of a p")

        Vault(objects).sweep(Vault(objects).manifest("1").parts)

        assert not unfinished.exists()
        assert restored(Vault(objects)) == TEXT


class TestRefusedRemovals:
    def test_those_that_a_policy_keeps_are_counted_and_the_rest_goes(self, s3: S3Server) -> None:
        folder = str(uuid4())
        objects = in_bucket(s3, folder)
        vault = Vault(objects)
        locked, *others = backed_up(vault).parts

        with forbidden(s3, f"{folder}/manifests/*", f"{folder}/{locked}"):
            forgotten, swept = vault.forget("1"), vault.sweep(())

        assert not forgotten
        assert (swept.removed, swept.locked) == (len(others), 1)
        assert set(objects.keys("")) == {locked, "manifests/1"}
        assert vault.sweep(()).removed == 1

    def test_what_a_policy_keeps_from_being_replaced_has_to_be_whole(self, s3: S3Server) -> None:
        folder = str(uuid4())
        objects = in_bucket(s3, folder)
        vault = Vault(objects)
        first, *_ = backed_up(vault).parts

        with forbidden(s3, f"{folder}/parts/*", action="PutObject"):
            list(StreamWriter(vault, PIECE, resend=True).stream([TEXT]))
            with pytest.raises(Unavailable, match="do not reach so far"):
                vault.store(b"something else")
        objects.put_whole(first, b"damaged")
        with (
            forbidden(s3, f"{folder}/parts/*", action="PutObject"),
            pytest.raises(DamagedBackup, match=f"^{first} is damaged"),
        ):
            list(StreamWriter(vault, PIECE, resend=True).stream([TEXT]))

    def test_under_an_object_lock_pruned_versions_stay_in_the_bucket(self, s3: S3Server) -> None:
        bucket = f"locked-{uuid4()}"
        administer(s3, "PUT", f"/{bucket}")
        administer(s3, "PUT", f"/{bucket}", "object-lock=", LOCKED_FOR_A_DAY)
        objects = in_bucket(s3, "v", bucket)
        vault = Vault(objects, KEY)
        manifest = backed_up(vault)

        assert vault.forget("1")
        assert vault.sweep(()).removed == len(manifest.parts)

        assert list(objects.keys("parts")) == []
        versions = administer(s3, "GET", f"/{bucket}", "versions=")
        assert all(f"<Version><Key>v/{part}</Key>" in versions for part in manifest.parts)
        backed_up(vault)
        assert restored(vault) == TEXT

    def test_a_bucket_that_is_away_is_no_locked_one(self) -> None:
        vault = Vault(in_bucket(S3Server(free_port())))
        calls: list[Callable[[], object]] = [
            lambda: vault.forget("1"),
            lambda: vault.sweep(()),
            lambda: vault.manifest("1"),
            lambda: vault.store(TEXT),
        ]
        for call in calls:
            with pytest.raises(Unavailable, match="Backup store s3://"):
                call()

    def test_wrong_credentials_are_no_lock(self, s3: S3Server) -> None:
        with environment({**s3.environment, "AWS_SECRET_ACCESS_KEY": "wrong"}):
            vault = Vault(Objects(s3.url, HTTP))
        with pytest.raises(Unavailable, match="refuses the credentials"):
            vault.forget("1")


@contextmanager
def forbidden(server: S3Server, *keys: str, action: str = "DeleteObject") -> Iterator[None]:
    """Nobody may do so to these keys of the bucket, until the block ends."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": [f"s3:{action}"],
        "Resource": [f"arn:aws:s3:::{BUCKET}/{key}" for key in keys],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    administer(server, "PUT", f"/{BUCKET}", "policy=", policy)
    try:
        yield
    finally:
        administer(server, "DELETE", f"/{BUCKET}", "policy=")
