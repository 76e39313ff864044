"""Sorts of work, and what one piece of each takes of every part of a stack."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from time import perf_counter
from typing import Any

from redis import Redis

from bench.client import IN_FLIGHT, Caller
from bench.corpus import python_topics
from bench.parts import Parts
from bench.pdf import pdf_of

COUNT = 10_000
"""Pieces for which the broker's memory is told."""

CHARACTERS, APART = 400, 500  # of a paragraph, some eighty tokens; between the beginnings of two

_COLLECTION = "sizing"


@dataclass(frozen=True, slots=True)
class Work:
    """``seconds``: of a processor for one piece, by part, without those that it takes idle in the same time.

    ``rate``: pieces a second, as they were done here.

    ``stored_mb``: megabytes of the broker that COUNT pieces take; ``events_mb`` of them for ten minutes.
    """

    pieces: int
    seconds: Mapping[str, float]
    rate: float
    stored_mb: float
    events_mb: float

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


def work(
    parts: Parts, redis: Redis, share: float, rest: Mapping[str, float], tell: Callable[[str], None]
) -> dict[str, Work]:
    """Do every sort of work, one after another, and measure it. ``share``: how much of it; 1: all.

    ``rest``: seconds of a processor that each part takes in a second in which there is nothing to do.
    """
    caller = Caller(parts.url)
    caller.ingest(["Nothing is loaded yet when the first document comes."], _COLLECTION)
    caller.ask("What is loaded?", _COLLECTION)
    found = {}
    for name, pieces, call in _sorts(caller, share):
        tell(f"{len(pieces)} × {name}")
        found[name] = _measure(parts, redis, rest, pieces, call)
    return found


_Sort = tuple[str, Sequence[Any], Callable[[Sequence[Any]], object]]


def _sorts(caller: Caller, share: float) -> Iterator[_Sort]:
    corpus = python_topics()
    chapters = corpus.documents
    starts = ((text, at) for text in chapters for at in range(0, len(text) - CHARACTERS, APART))
    paragraphs = [text[at : at + CHARACTERS] for text, at in starts]
    books = [f"{number}\n\n" + "\n\n".join(chapters) for number in range(_some(2, share))]
    questions = list(islice(cycle(corpus.questions), _some(1000, share)))
    yield "paragraph", paragraphs[: _some(1000, share)], lambda texts: caller.ingest(texts, _COLLECTION)
    yield "chapter", chapters[: _some(10, share)], lambda texts: caller.ingest(texts, _COLLECTION)
    yield (
        "PDF",
        [pdf_of(text[7:]) for text in chapters[: _some(10, share)]],
        lambda files: _send(caller, files),
    )
    yield "book", books, lambda texts: caller.ingest(texts, _COLLECTION)
    yield "question", questions, lambda asked: caller.ask_all(asked, _COLLECTION)
    yield "search", questions, lambda asked: caller.ask_all(asked, _COLLECTION, generate=False)
    yield "submit", questions, lambda asked: _submit(caller, asked)


def _some(count: int, share: float) -> int:
    return max(1, int(count * share))


def _send(caller: Caller, files: Sequence[bytes]) -> None:
    named = [(f"{number}.pdf", file) for number, file in enumerate(files)]
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        jobs = list(
            pool.map(lambda each: caller.send(each[1], "application/pdf", _COLLECTION, each[0]), named)
        )
        list(pool.map(caller.finished, jobs))


def _submit(caller: Caller, questions: Sequence[str]) -> None:
    """Submit all of them, then wait until they are over, so that nothing is left to do."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        jobs = list(
            pool.map(lambda each: caller.submit_question(each, _COLLECTION, generate=False), questions)
        )
    for job in jobs[-IN_FLIGHT * 4 :]:
        caller.finished(job)


def _measure(
    parts: Parts,
    redis: Redis,
    rest: Mapping[str, float],
    pieces: Sequence[Any],
    call: Callable[[Sequence[Any]], object],
) -> Work:
    used, events = _used_mb(redis), _events_mb(redis)
    before, begun = parts.processor_seconds(), perf_counter()
    call(pieces)
    seconds, after = perf_counter() - begun, parts.processor_seconds()
    count = len(pieces)
    return Work(
        pieces=count,
        seconds={part: max(0.0, after[part] - before[part] - rest[part] * seconds) / count for part in after},
        rate=count / seconds,
        stored_mb=(_used_mb(redis) - used) * COUNT / count,
        events_mb=(_events_mb(redis) - events) * COUNT / count,
    )


def _used_mb(redis: Redis) -> float:
    return float(redis.info("memory")["used_memory"]) / 1e6


def _events_mb(redis: Redis) -> float:
    """Of the events of jobs, which go ten minutes after their end."""
    keys = redis.scan_iter("{aegis}:job:*:events", count=1000)
    return sum(redis.memory_usage(key) or 0 for key in keys) / 1e6
