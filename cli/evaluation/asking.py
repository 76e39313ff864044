"""Asks the questions of a dataset and scores what comes back."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from time import perf_counter

from cli.client.client import Client
from cli.evaluation.model import Question
from cli.evaluation.scoring import DEPTH, Reply, Score, score
from cli.ingestion.sending import ENDS_ALL
from rag.errors import AegisError
from rag.web.jsontypes import Json

ALONE = 100
"""Questions that are asked one after another, which tells how long one takes."""

IN_FLIGHT = 4
"""Questions that are asked at once after that."""

_SEED = 7
_ID_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Asker:
    """``names``: of the collections at the API. ``options``: further fields of the query with an answer."""

    client: Client
    names: Mapping[str, str]
    options: Mapping[str, object] = field(default_factory=dict)

    def ask_all(self, questions: Sequence[Question], done: Callable[[], None]) -> list[Score]:
        """The scores in the order of ``questions``; ``done`` is called after each.

        Raises the first error that every other question would meet too.
        """
        ids, order = list(_ids(questions)), list(range(len(questions)))
        random.Random(_SEED).shuffle(order)  # noqa: S311 - a sample, not a secret
        if order:
            self._ask(questions[order[0]])  # what is loaded by the first question is no time of a question
        replies: dict[int, Reply] = {}
        for at in order[:ALONE]:
            replies[at] = self._ask(questions[at])
            done()
        rest = order[ALONE:]
        for at, reply in zip(rest, self._ask_together([questions[at] for at in rest]), strict=True):
            replies[at] = replace(reply, seconds=None)
            done()
        return [score(ids[at], question, replies[at]) for at, question in enumerate(questions)]

    def _ask_together(self, questions: Sequence[Question]) -> Iterator[Reply]:
        pool = ThreadPoolExecutor(IN_FLIGHT)
        try:
            yield from pool.map(self._ask, questions)
        except BaseException:
            self.client.stop()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _ask(self, question: Question) -> Reply:
        """Both queries: the ten best passages, and the answer from as many as the API takes by default."""
        query: Json = {"collection": self.names[question.collection], "cache": False}
        if question.within is not None:
            query["filter"] = {"document_id": question.within}
        try:
            found = self.client.answer(question.text, **query, generate=False, top_n=DEPTH)
            begun = perf_counter()
            answered = self.client.answer(question.text, **query, **self.options)
            seconds = perf_counter() - begun
        except AegisError as error:
            if isinstance(error, ENDS_ALL):
                raise
            return Reply((), {}, fault=str(error) or error.title)
        failed = next((job for job in (found, answered) if job["state"] != "succeeded"), None)
        if failed is not None:
            return Reply((), {}, fault=_fault(failed))
        return Reply(found["result"]["hits"], answered["result"], seconds)


def _fault(job: Json) -> str:
    problem = job.get("error") or {}
    why = problem.get("detail") or problem.get("title") or "no reason given"
    return f"the job ended as {job['state']}: {why}"


def draw_sample(questions: Sequence[Question], most: int | None) -> list[Question]:
    """At most so many questions of each kind, the same ones each time; None: all."""
    if most is None:
        return list(questions)
    draw, chosen = random.Random(_SEED), set[int]()  # noqa: S311 - as above
    for kind in dict.fromkeys(question.kind for question in questions):
        places = [at for at, question in enumerate(questions) if question.kind == kind]
        chosen.update(draw.sample(places, min(most, len(places))))
    return [question for at, question in enumerate(questions) if at in chosen]


def _ids(questions: Sequence[Question]) -> Iterator[str]:
    """Ids that are the same for the same questions in every run; equal questions are numbered."""
    seen = Counter[str]()
    for each in questions:
        known = json.dumps([each.kind, each.text, each.needs, each.within, sorted(each.documents)])
        digest = sha256(known.encode(errors="surrogateescape")).hexdigest()[:_ID_DIGITS]
        seen[digest] += 1
        yield digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
