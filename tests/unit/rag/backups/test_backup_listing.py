"""The listing of backups: each manifest is read once, and only as long as it is there."""

from typing import Any

import pytest

from rag.backups.listing import BackupListing, Listed, Unlisted
from rag.errors import DamagedBackup, NotFound
from rag.model import Engine, Manifest, StoredPart, Stream

PARTS = tuple(StoredPart(f"parts/{n}", 10, "", 9) for n in range(3))


class Vault:
    """Backups by id; None: removed before it is read; an error: that one."""

    def __init__(self, **found: Manifest | DamagedBackup | None) -> None:
        self.found = found
        self.read: list[str] = []

    def backups(self) -> list[str]:
        return sorted(self.found, reverse=True)

    def manifest(self, backup: str) -> Manifest:
        self.read.append(backup)
        found = self.found[backup]
        if isinstance(found, DamagedBackup):
            raise found
        if found is None:
            raise NotFound(backup)
        return found


def made(backup: str) -> Manifest:
    streams = (Stream("a", PARTS[:2]), Stream("b", PARTS[1:]))
    return Manifest(
        backup, 1.0, 2.0, "full", "request", "1", Engine("edge", "1"), "copied", (), streams
    )  # fmt: skip


def listing(vault: Any) -> BackupListing:
    return BackupListing(vault)


def ids(items: tuple[Listed | Unlisted, ...]) -> list[str]:
    return [item.manifest.id if isinstance(item, Listed) else item.id for item in items]


def test_a_manifest_is_read_once_and_kept_short() -> None:
    vault = Vault(a=made("a"), b=made("b"))
    shown = listing(vault)

    first, second = (shown.page(cursor=None, limit=9) for _ in range(2))

    assert first == second
    assert sorted(vault.read) == ["a", "b"]
    (newest, _) = first.items
    assert isinstance(newest, Listed)
    assert (newest.objects, newest.size, newest.manifest.streams) == (3, 30, ())


def test_only_the_page_is_read() -> None:
    vault = Vault(a=made("a"), b=made("b"), c=made("c"))
    shown = listing(vault)

    page = shown.page(cursor="c", limit=1)

    assert (ids(page.items), page.next) == (["b"], "b")
    assert vault.read == ["b"]
    assert shown.page(cursor="b", limit=1).next is None


def test_what_cannot_be_used_is_read_again_each_time() -> None:
    vault = Vault(a=DamagedBackup("a is damaged"), b=made("b"))
    shown = listing(vault)
    assert isinstance(shown.page(cursor=None, limit=9).items[1], Unlisted)

    vault.found["a"] = made("a")

    assert isinstance(shown.page(cursor=None, limit=9).items[1], Listed)


@pytest.mark.parametrize("listed", [True, False])
def test_what_is_removed_is_gone(listed: bool) -> None:
    vault = Vault(a=made("a"), b=made("b"))
    shown = listing(vault)
    shown.page(cursor=None, limit=1)

    if listed:  # removed between the listing and the reading
        vault.found["a"] = None
        kept = ["b"]
    else:
        del vault.found["b"]
        kept = ["a"]

    assert ids(shown.page(cursor=None, limit=9).items) == kept
