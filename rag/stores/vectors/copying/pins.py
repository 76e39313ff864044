"""One state of a collection's token vectors, kept while others go on writing.

SQLite in WAL mode gives it: a read transaction sees the database as it was when it began. The files
are never opened by any other way in the process of the engine, for closing them would drop the
locks that SQLite holds on them (https://sqlite.org/howtocorrupt.html, 2.2).
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from rag.errors import ErrorTable, Unavailable, translated
from rag.stores.vectors.copying.sparse import BLOCK, Check, unhurried

_ERRORS: ErrorTable = {sqlite3.Error: Unavailable}
_PAGES = BLOCK // 16384  # in one step


class PinnedTokens:
    """Of the database at ``path``."""

    def __init__(self, path: Path) -> None:
        with translated(_ERRORS, "token vectors"):
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def pin(self) -> None:
        """The state of this moment. An earlier one is let go."""
        with translated(_ERRORS, "token vectors"):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT 1 FROM vectors LIMIT 1").fetchone()  # begins to read

    def save(self, target: Path, check: Check) -> None:
        """A database of its own at ``target``, which must not exist."""
        with (
            translated(_ERRORS, "token vectors"),
            closing(sqlite3.connect(target)) as copy,
            target.open("rb") as file,
        ):
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")
            pace = unhurried(check)
            self._connection.backup(copy, pages=_PAGES, progress=lambda *_: pace(file.fileno()))

    def close(self) -> None:
        self._connection.close()
