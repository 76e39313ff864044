"""The record of what was sent to an API, so that the same command sends nothing twice.

One file for each API and collection, of JSON lines: a line when a document was accepted, another when it
is searchable. The last line about a document counts.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock
from time import time
from typing import Self
from uuid import uuid4

from rag.system.folders import private_folder
from rag.web.jsontypes import Json

_SUPERSEDED = 1_000
"""Superseded lines that a file may have before it is written again."""

_SLACK_SECONDS = 5.0
"""By which the clocks of this machine and the API may differ."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as it was last sent. ``mark``: its source's; ``version`` 0: it was not searchable yet."""

    id: str
    mark: str
    job: str
    version: int = 0
    at: float = 0.0

    @classmethod
    def of(cls, line: str) -> "Entry | None":
        """None for a line that was cut off."""
        try:
            return cls(**json.loads(line))
        except (ValueError, TypeError):
            return None

    def is_of(self, document: Json) -> bool:
        """Whether ``document`` is what was sent. A later update comes from another machine."""
        updated = datetime.fromisoformat(document["updated_at"]).timestamp()
        return self.version == document["version"] and updated <= self.at + _SLACK_SECONDS


class Journal:
    """Several threads may use it. Without a path nothing is saved."""

    def __init__(self, path: Path | None, salt: str, entries: Mapping[str, Entry]) -> None:
        self._path, self._salt, self._entries = path, salt, dict(entries)
        self._lock = Lock()
        self.fault = ""
        """Why nothing is saved any more."""

    @classmethod
    def none(cls) -> Self:
        return cls(None, uuid4().hex, {})

    @classmethod
    def at(cls, folder: Path, url: str, collection: str | None) -> Self:
        """The journal of an API and a collection, in ``folder``. OSError, ConfigurationError."""
        name = sha256(f"{url}\n{collection or ''}".encode(errors="surrogateescape")).hexdigest()[:32]
        path = private_folder(folder) / f"{name}.jsonl"
        salt, *lines = (path.read_text("utf-8", "replace") if path.exists() else "").splitlines() or [""]
        known = {entry.id: entry for entry in map(Entry.of, lines) if entry is not None}
        journal = cls(path, salt or uuid4().hex, known)
        if not salt or len(lines) > 2 * len(known) + _SUPERSEDED:
            draft = path.with_suffix(".new")
            draft.write_text("".join([f"{journal._salt}\n", *map(_line, known.values())]), "utf-8")
            # It names the user's files.
            draft.chmod(0o600)
            draft.replace(path)
        return journal

    def entry(self, document_id: str, mark: str) -> Entry | None:
        """The document's entry, if it was sent with this mark."""
        known = self._entries.get(document_id)
        return known if known is not None and known.mark == mark else None

    def key(self, document_id: str, mark: str) -> str | None:
        """An Idempotency-Key that stays the same until its answer is recorded; None without a mark."""
        if not mark:
            return None
        # The last job is part of the key: after its answer, sending the file again makes a new job.
        before = self._entries.get(document_id)
        parts = (self._salt, document_id, mark, before.job if before else "")
        return sha256(json.dumps(parts).encode()).hexdigest()

    def accept(self, document_id: str, mark: str, job_id: str) -> None:
        self._record(Entry(document_id, mark, job_id))

    def finish(self, document_id: str, mark: str, job_id: str, version: int) -> None:
        """The document is searchable, as this version."""
        self._record(Entry(document_id, mark, job_id, version, time()))

    def _record(self, entry: Entry) -> None:
        with self._lock:
            self._entries[entry.id] = entry
            if self._path is None:
                return
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(_line(entry))
            except OSError as error:  # such as a full disk: from now on only this process remembers
                self._path, self.fault = None, str(error)


def _line(entry: Entry) -> str:
    return f"{json.dumps(asdict(entry))}\n"
