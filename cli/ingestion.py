"""``aegis ingest``: folders and files in, a summary with every failure's reason out."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cli.client import Client
from rag.errors import AegisError
from rag.jsontypes import Json
from rag.media import READABLE

UPLOADS_AT_ONCE = 4
AHEAD = 200
"""Files that are sent before the oldest of them is done, so that one folder does not fill the queue."""

_EXTENSIONS = frozenset(f".{extension}" for extensions in READABLE.values() for extension in extensions)
_NOT_DOCUMENTS = frozenset({"node_modules", "__pycache__", "venv"})


@dataclass(frozen=True, slots=True)
class Found:
    """A file and the id its document gets: its path relative to the folder that was named."""

    path: Path
    document_id: str


@dataclass(frozen=True, slots=True)
class Walk:
    """``skipped``: how many files of each extension no parser reads."""

    files: tuple[Found, ...]
    skipped: Counter[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file. ``job`` is None when it was not accepted, ``reason`` why it failed."""

    found: Found
    job: Json | None
    reason: str | None = None


def walk(roots: Iterable[Path]) -> Walk:
    """The files under ``roots``, hidden ones left out. FileNotFoundError for a root that is not there."""
    files: list[Found] = []
    skipped: Counter[str] = Counter()
    for root in roots:
        if not root.exists():
            raise FileNotFoundError(f"{root} is not there")
        if root.is_file():
            files.append(Found(root, root.name))
            continue
        for path in _files_in(root):
            if path.suffix.lower() in _EXTENSIONS:
                files.append(Found(path, path.relative_to(root).as_posix()))
            else:
                skipped[path.suffix.lower() or "no extension"] += 1
    return Walk(tuple(files), skipped)


def ingest(
    client: Client,
    files: Sequence[Found],
    collection: str | None,
    *,
    wait: bool,
    done: Callable[[Outcome], None],
) -> list[Outcome]:
    """Upload, a few at a time, and with ``wait`` follow each job to its end; ``done`` hears of each file.

    However many files there are, no more than ``AHEAD`` of them are in the queue at once with ``wait``.
    """
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(UPLOADS_AT_ONCE, "upload") as pool:
        try:
            for outcome in _sent(pool, client, _distinct(files), collection):
                ended = _ended(client, outcome) if wait and outcome.reason is None else outcome
                outcomes.append(ended)
                done(ended)
        except KeyboardInterrupt:
            client.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return outcomes


def _sent(
    pool: Executor, client: Client, files: Iterable[Found | Outcome], collection: str | None
) -> Iterator[Outcome]:
    """What became of each upload, in order."""
    ahead: deque[Future[Outcome]] = deque()
    for found in files:
        if len(ahead) == AHEAD:
            yield ahead.popleft().result()
        ahead.append(pool.submit(_submitted, client, found, collection))
    while ahead:
        yield ahead.popleft().result()


def _files_in(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name in _NOT_DOCUMENTS:
            continue
        if entry.is_dir():
            yield from _files_in(entry)
        elif entry.is_file():
            yield entry


def _distinct(files: Sequence[Found]) -> Iterator[Found | Outcome]:
    """Of two files with one id the second is refused, lest it silently replaces the first."""
    seen: dict[str, Path] = {}
    for found in files:
        first = seen.setdefault(found.document_id, found.path)
        if first is found.path:
            yield found
        else:
            reason = f"{first} has the same document id {found.document_id!r}: name a folder above both"
            yield Outcome(found, None, reason)


def _submitted(client: Client, found: Found | Outcome, collection: str | None) -> Outcome:
    if isinstance(found, Outcome):
        return found
    try:
        return Outcome(found, client.ingest(found.path, found.document_id, collection))
    except (AegisError, OSError) as error:
        return Outcome(found, None, str(error))


def _ended(client: Client, outcome: Outcome) -> Outcome:
    if outcome.job is None:
        return outcome
    try:
        job = client.finished(outcome.job["job_id"])
    except AegisError as error:
        return Outcome(outcome.found, outcome.job, str(error))
    if job["state"] == "succeeded":
        return Outcome(outcome.found, job)
    problem = job["error"] or {}
    return Outcome(outcome.found, job, problem.get("detail") or problem.get("title") or job["state"])
