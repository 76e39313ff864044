"""The newest backup at the time when another one begins, which need not read or send its data again."""

import logging
from collections.abc import Iterator, Mapping
from functools import cached_property

from rag.backups.contents import BLOBS, SavedBlob, SavedDocument, SavedPoints, documents_stream
from rag.backups.packs import OpenBackup, thin_packs
from rag.backups.vault import Vault
from rag.errors import BackupError, NotFound
from rag.model import Collection, Document, DocumentVersion, Stream

log = logging.getLogger(__name__)


def newest_in(vault: Vault) -> str:
    """The id of the newest backup; "" where there is none that can be used."""
    try:
        return vault.newest().id
    except NotFound:
        return ""
    except BackupError as error:
        _warn(error)
        return ""


class EarlierBackup:
    """``backup``: its id, "" for none. What cannot be used counts as missing, so it is saved again."""

    def __init__(self, vault: Vault, backup: str) -> None:
        self._vault, self._backup = vault, backup

    @cached_property
    def packs(self) -> Mapping[str, Stream]:
        """The packs whose parts are all still there, by name."""
        if self._opened is None:
            return {}
        known_parts = self._vault.known_parts()
        packs = (
            each for each in self._opened.manifest.streams if each.name.startswith((f"{BLOBS}/", "points/"))
        )
        return {pack.name: pack for pack in packs if all(map(known_parts.has, pack.parts))}

    def blobs(self) -> Iterator[SavedBlob]:
        """Sources and texts in packs that are there."""
        try:
            for blob in self._opened.packed() if self._opened else ():
                if blob.stream in self.packs:
                    yield blob
        except BackupError as error:
            _warn(error)

    def points_of(self, collection: Collection, part_bytes: int) -> "EarlierPoints":
        """The points of the layout that serves, without those in thin packs, which are packed together."""
        stream = documents_stream(collection.store)
        for saved in self._opened.manifest.collections if self._opened else ():
            if self._opened and saved.documents_stream == stream:
                thin = thin_packs(saved.packs, part_bytes)
                packs = {
                    name: self.packs[name] for name in saved.packs.keys() & self.packs if name not in thin
                }
                return EarlierPoints(self._opened.documents(saved), packs, saved.token_dimension)
        return EarlierPoints(iter(()), {}, None)

    @cached_property
    def _opened(self) -> OpenBackup | None:
        try:
            return OpenBackup(self._vault, self._vault.manifest(self._backup)) if self._backup else None
        except NotFound:
            return None
        except BackupError as error:
            _warn(error)
            return None


class EarlierPoints:
    """Points of the documents of an earlier backup in ``packs``. Ask for documents by ascending id."""

    def __init__(
        self, documents: Iterator[SavedDocument], packs: Mapping[str, Stream], token_dimension: int | None
    ) -> None:
        self.packs, self.token_dimension = packs, token_dimension
        self._documents = documents
        self._next = self._following()

    def of(self, document: Document) -> SavedPoints | None:
        """The points of exactly this version, which never change; None where they are not all there."""
        while self._next and self._next.document.document_id < document.document_id:
            self._next = self._following()
        found, version = self._next, DocumentVersion(document.document_id, document.version)
        if found is None or found.points is None or found.version != version:
            return None
        there = all(blob.stream in self.packs for blob in found.blobs)
        return SavedPoints(version, found.points, found.blobs) if there else None

    def _following(self) -> SavedDocument | None:
        try:
            return next(self._documents, None)
        except BackupError as error:
            _warn(error)
            return None


def _warn(error: BackupError) -> None:
    log.warning("the newest backup cannot be used, so its data is saved again: %s", error)
