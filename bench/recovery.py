"""Measures a backup, and the time until questions are answered again after the loss of everything else.

Backups go to BACKUP_URL if it is set, else to a folder of this machine. They are encrypted if
BACKUP_KEY is set.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from bench.client import Caller
from bench.figures import Figure
from bench.library import Library
from bench.stack import started
from rag.errors import BackupError
from rag.model import Json
from rag.settings import Settings
from tasks.backups.scope import CLOCKS_APART
from workers.tools import Tools

POINTS, FEW_POINTS = 50_000, 5_000
PASSAGES, TOKENS = 10, 128  # passages of a document; tokens of a passage of usual length
MILLION = 1_000_000
QUESTIONS = 200

HOUR = 3600.0
INTERVAL = HOUR / 2
"""Between two backups by the default schedule."""

RPO_SECONDS = HOUR
RTO_SECONDS = 4 * HOUR


Hits = list[list[str]]
"""Ids of chunks, best first, for each question."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Results of two backups, of which the second has nothing new to save; and the hits before the loss."""

    first: Json
    again: Json
    hits: Hits


@dataclass(frozen=True, slots=True)
class Restored:
    """``result``: the restore job's. ``seconds``: from the start on empty disks to the first answer."""

    result: Json
    hits: Hits
    seconds: float


def measure(scratch: Path, *, quick: bool) -> dict[str, Figure]:
    """Save, lose and restore one library. BackupError when the restored one differs from the saved one."""
    library = Library("recovery", (FEW_POINTS if quick else POINTS) // PASSAGES, PASSAGES, TOKENS)
    url = os.environ.get("BACKUP_URL") or (scratch / "backups").as_uri()
    schedules = (f"BACKUP_{name}SCHEDULE" for name in ("", "VERIFY_", "REHEARSE_", "PRUNE_"))
    settings = {"BACKUP_URL": url, **dict.fromkeys(schedules, "never")}
    saved = _save(scratch / "lost", library, settings)
    restored = _restore(scratch / "anew", library, settings)
    same = all({*these} == {*those} for these, those in zip(restored.hits, saved.hits, strict=True))
    if not same or restored.result["points"] != library.points:
        raise BackupError("what was restored is not what was saved")
    return _figures(library, saved, restored)


def _save(home: Path, library: Library, settings: Mapping[str, str]) -> Saved:
    with started(home, settings) as stack:
        tools = Tools(Settings(aegis_home=home))
        library.put(tools)
        sleep(CLOCKS_APART + 1)  # a backup treats younger files as still being written
        caller = Caller(stack.url)
        saved = Saved(caller.done("/v1/backups"), caller.done("/v1/backups"), _hits(tools, library))
    shutil.rmtree(home)
    return saved


def _restore(home: Path, library: Library, settings: Mapping[str, str]) -> Restored:
    begun = perf_counter()
    with started(home, settings) as stack:
        caller = Caller(stack.url)
        result = caller.done("/v1/backups/latest/restore")
        caller.ask(library.text, library.collection, generate=False)
        seconds = perf_counter() - begun
        return Restored(result, _hits(Tools(Settings(aegis_home=home)), library), seconds)


def _hits(tools: Tools, library: Library) -> Hits:
    collection = tools.documents.collection(library.collection)
    store = "" if collection is None else collection.store
    questions = library.questions(tools.settings.dimension, QUESTIONS)
    return [[hit.passage.chunk_id for hit in tools.vectors.search(store, each)] for each in questions]


def _figures(library: Library, saved: Saved, restored: Restored) -> dict[str, Figure]:
    size = f"{library.points // 1000}k"
    first, seconds = saved.first, restored.result["seconds"]
    # the restore itself takes longer with more points, the start of the stack does not
    million = restored.seconds - seconds + seconds * MILLION / library.points
    return {
        "backup_mb_s": Figure(first["sent"] / 1e6 / first["seconds"], "MB/s", more_is_better=True),
        f"backup_s_{size}": Figure(first["seconds"], "s", peers={"again, s": saved.again["seconds"]}),
        f"restore_s_{size}": Figure(seconds, "s", peers={"bytes, MB": first["bytes"] / 1e6}),
        f"rto_s_{size}": Figure(
            restored.seconds, "s", RTO_SECONDS, peers={"1m points, extrapolated": million}
        ),
        f"rpo_s_{size}": Figure(
            INTERVAL + saved.again["seconds"], "s by the default schedule, at worst", RPO_SECONDS
        ),
    }
