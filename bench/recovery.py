"""How long a backup takes, and how long it is until questions are answered again when all else is lost.

Backups go to BACKUP_URL where it is set, else to a folder of this machine; they are encrypted where
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
from rag.stores.vectors.collection import WORTH_OPTIMIZING
from tasks.saving.scope import CLOCKS_APART
from workers.tools import Tools

POINTS, FEW_POINTS = 50_000, 5_000
PASSAGES, TOKENS = 10, 128  # of a document; of a passage of usual length
MILLION = 1_000_000
QUESTIONS = 200
LEAST_SHARED = 0.95
"""Of the hits, where the engine may have built its graph between the two looks."""

HOUR = 3600.0
INTERVAL = HOUR / 2
"""Of the default schedule."""

RPO_SECONDS = HOUR
RTO_SECONDS = 4 * HOUR


Hits = list[list[str]]
"""Chunks, best first, by question."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Results of two backups: of everything, and of what is in the first already; and what is found."""

    first: Json
    again: Json
    hits: Hits


@dataclass(frozen=True, slots=True)
class Regained:
    """``restored``: the job's result. ``seconds``: from the start on empty disks to the first answer."""

    restored: Json
    hits: Hits
    seconds: float


def measured(scratch: Path, *, quick: bool) -> dict[str, Figure]:
    """One library saved, lost and restored. BackupError when it is not what it was."""
    library = Library("recovery", (FEW_POINTS if quick else POINTS) // PASSAGES, PASSAGES, TOKENS)
    settings = _settings(scratch)
    saved = _save(scratch / "lost", library, settings)
    regained = _regained(scratch / "anew", library, settings)
    least = LEAST_SHARED if library.points >= WORTH_OPTIMIZING else 1.0
    if _shared(regained.hits, saved.hits) < least or regained.restored["points"] != library.points:
        raise BackupError("what was restored is not what was saved")
    return _figures(library, saved, regained)


def _settings(scratch: Path) -> dict[str, str]:
    """Backups are made when they are asked for alone."""
    names = ("", "VERIFY_", "REHEARSE_", "PRUNE_")
    url = os.environ.get("BACKUP_URL") or (scratch / "backups").as_uri()
    return {"BACKUP_URL": url, **{f"BACKUP_{name}SCHEDULE": "never" for name in names}}


def _save(home: Path, library: Library, settings: Mapping[str, str]) -> Saved:
    with started(home, settings) as stack:
        tools = Tools(Settings(aegis_home=home))
        library.put(tools)
        sleep(CLOCKS_APART + 1)  # what is younger counts as being on its way
        caller = Caller(stack.url)
        saved = Saved(caller.done("/v1/backups"), caller.done("/v1/backups"), _hits(tools, library))
    shutil.rmtree(home)
    return saved


def _regained(home: Path, library: Library, settings: Mapping[str, str]) -> Regained:
    begun = perf_counter()
    with started(home, settings) as stack:
        caller = Caller(stack.url)
        restored = caller.done("/v1/backups/latest/restore")
        caller.ask(library.text, library.collection, generate=False)
        seconds = perf_counter() - begun
        return Regained(restored, _hits(Tools(Settings(aegis_home=home)), library), seconds)


def _hits(tools: Tools, library: Library) -> Hits:
    collection = tools.documents.collection(library.collection)
    store = "" if collection is None else collection.store
    questions = library.questions(tools.settings.dimension, QUESTIONS)
    return [[hit.passage.chunk_id for hit in tools.vectors.search(store, each)] for each in questions]


def _shared(found: Hits, before: Hits) -> float:
    """The mean part of the hits before that is found again."""
    return sum(
        len({*these} & {*those}) / len(those) for these, those in zip(found, before, strict=True)
    ) / len(before)


def _figures(library: Library, saved: Saved, regained: Regained) -> dict[str, Figure]:
    """What is restored grows with the points, what starts does not."""
    size = f"{library.points // 1000}k"
    first, restored = saved.first, regained.restored["seconds"]
    million = regained.seconds - restored + restored * MILLION / library.points
    return {
        "backup_mb_s": Figure(first["sent"] / 1e6 / first["seconds"], "MB/s", more_is_better=True),
        f"backup_s_{size}": Figure(first["seconds"], "s", peers={"again, s": saved.again["seconds"]}),
        f"restore_s_{size}": Figure(restored, "s", peers={"bytes, MB": first["bytes"] / 1e6}),
        f"rto_s_{size}": Figure(
            regained.seconds, "s", RTO_SECONDS, peers={"1m points, extrapolated": million}
        ),
        f"rpo_s_{size}": Figure(
            INTERVAL + saved.again["seconds"], "s by the default schedule, at worst", RPO_SECONDS
        ),
    }
