"""What was sent to an API before, so that the same command sends nothing twice.

One file for each API and collection, of JSON lines: a line when a document was accepted, one when it
is in. Of several about a document the last one counts.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock
from time import time
from typing import Self
from uuid import uuid4

from rag.folders import private_folder
from rag.jsontypes import Json

_OUTDATED = 1_000
"""Lines that may be there beside two for each document."""

_SLACK_SECONDS = 5.0
"""By which this clock and the API's may differ."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as it was sent last. ``mark`` is that of its source; ``version`` 0: it was not in yet."""

    id: str
    mark: str
    job: str
    version: int = 0
    at: float = 0.0

    @classmethod
    def of(cls, line: str) -> "Entry | None":
        """None of a line that was cut off."""
        try:
            return cls(**json.loads(line))
        except (ValueError, TypeError):
            return None

    def is_of(self, document: Json) -> bool:
        """Whether ``document`` is still what was sent: one of another installation is younger."""
        updated = datetime.fromisoformat(document["updated_at"]).timestamp()
        return self.version == document["version"] and updated <= self.at + _SLACK_SECONDS


class Journal:
    """Used by several threads. Without a file it remembers nothing."""

    def __init__(self, path: Path | None, salt: str, entries: Mapping[str, Entry]) -> None:
        self._path, self._salt, self._entries = path, salt, dict(entries)
        self._lock = Lock()
        self.fault = ""
        """Why nothing is written any more."""

    @classmethod
    def none(cls) -> Self:
        return cls(None, uuid4().hex, {})

    @classmethod
    def at(cls, folder: Path, url: str, collection: str | None) -> Self:
        """That of this API and collection below ``folder``. OSError and ConfigurationError for its folder."""
        name = sha256(f"{url}\n{collection or ''}".encode(errors="surrogateescape")).hexdigest()[:32]
        path = private_folder(folder) / f"{name}.jsonl"
        salt, *lines = (path.read_text("utf-8", "replace") if path.exists() else "").splitlines() or [""]
        known = {entry.id: entry for entry in map(Entry.of, lines) if entry is not None}
        journal = cls(path, salt or uuid4().hex, known)
        if not salt or len(lines) > 2 * len(known) + _OUTDATED:
            journal._rewrite(path)
        return journal

    def entry(self, document_id: str, mark: str) -> Entry | None:
        """That of the document, when it was sent with this very mark."""
        known = self._entries.get(document_id)
        return known if known is not None and known.mark == mark else None

    def key(self, document_id: str, mark: str) -> str | None:
        """An Idempotency-Key that stays the same until an answer to it is noted; None without a mark."""
        if not mark:
            return None
        before = self._entries.get(document_id)
        said = (self._salt, document_id, mark, before.job if before else "")
        return sha256(json.dumps(said).encode()).hexdigest()

    def accept(self, document_id: str, mark: str, job_id: str) -> None:
        self._note(Entry(document_id, mark, job_id))

    def finish(self, document_id: str, mark: str, job_id: str, version: int) -> None:
        """It is in, as this version."""
        self._note(Entry(document_id, mark, job_id, version, time()))

    def _note(self, entry: Entry) -> None:
        with self._lock:
            self._entries[entry.id] = entry
            if self._path is not None:
                self._append(self._path, _line(entry))

    def _append(self, path: Path, line: str) -> None:
        """Where that cannot be, as on a full disk, only this run remembers what it sent."""
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            self._path, self.fault = None, str(error)

    def _rewrite(self, path: Path) -> None:
        """With one line for each document."""
        draft = path.with_suffix(".new")
        draft.write_text("".join(self._lines()), "utf-8")
        draft.chmod(0o600)
        draft.replace(path)

    def _lines(self) -> Iterator[str]:
        yield f"{self._salt}\n"
        yield from map(_line, self._entries.values())


def _line(entry: Entry) -> str:
    return f"{json.dumps(asdict(entry))}\n"
