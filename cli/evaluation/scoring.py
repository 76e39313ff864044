"""Judges what came back for a question. Pure: it reads results, and asks nobody."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import log2

from cli.evaluation.model import Question
from cli.evaluation.wording import share_held
from rag.web.jsontypes import Json

DEPTH = 10
"""Hits that count."""

UNKNOWN = "not told"
"""The reason of a refusal whose result has none."""

NO_HITS = "no passage was found"


class Verdict(StrEnum):
    """What an answer is worth.

    Where the documents hold the answer, it is right (it holds all that is needed), partly right, wrong or
    refused; unjudged, where it is not known what is needed. Where they do not, the question is turned away or
    answered all the same. It is failed when its job did not succeed.
    """

    WRONG = "wrong"
    ANSWERED = "answered"
    REFUSED = "refused"
    FAILED = "failed"
    PARTLY = "partly"
    UNJUDGED = "unjudged"
    TURNED_AWAY = "turned away"
    RIGHT = "right"


GOOD = frozenset({Verdict.RIGHT, Verdict.TURNED_AWAY})


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a question.

    ``hits``: the ten best passages; ``result``: of the query with an answer, empty where its job failed for
    the reason ``fault``; ``seconds`` that the caller waited, where nobody else asked; else None.
    """

    hits: Sequence[Json]
    result: Json
    seconds: float | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found, as reports show it. ``url``: its page, as a path of the console."""

    document_id: str
    page: int | None
    score: float
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Score:
    """A question and how it was answered. None stands where nothing can be measured.

    Attributes:
        id: the same for the same question in every run.
        reciprocal_rank: 1 / place of the first hit from a right document; 0 beyond the tenth.
        ndcg: normalised discounted cumulative gain of the first ten hits.
        recall: share of the right documents that the first ten hits are from.
        held: share of what is needed that the answer holds; in ``hits_held`` the ten hits together, in
            ``first_held`` the first hit alone.
        page_right: whether the first citation names the right page.
        reason: why it was refused.
        words: of the answer.
        seconds: that the caller waited, where it was asked alone.
    """

    id: str
    kind: str
    question: str
    expected: str
    verdict: Verdict
    answerable: bool
    reciprocal_rank: float | None = None
    ndcg: float | None = None
    recall: float | None = None
    held: float | None = None
    hits_held: float | None = None
    first_held: float | None = None
    page_right: bool | None = None
    reason: str = ""
    answer: str = ""
    words: int = 0
    seconds: float | None = None
    hits: tuple[Hit, ...] = field(default=())


def score(question_id: str, question: Question, reply: Reply) -> Score:
    """How well ``reply`` answers the question."""
    found = [str(hit["document_id"]) for hit in reply.hits[:DEPTH]]
    texts = [str(hit["text"]) for hit in reply.hits[:DEPTH]]
    answer, verdict = str(reply.result.get("answer") or ""), verdict_of(question, reply)
    is_ranked, is_judged = bool(question.documents) and not reply.fault, bool(question.needs)
    return Score(
        id=question_id,
        kind=question.kind,
        question=question.text,
        expected=question.expected,
        verdict=verdict,
        answerable=question.answerable,
        reciprocal_rank=reciprocal_rank(question.documents, found) if is_ranked else None,
        ndcg=ndcg(question.documents, found) if is_ranked else None,
        recall=recall(question.documents, found) if is_ranked else None,
        held=_held(answer, question, refused=not reply.result.get("citations")) if is_judged else None,
        hits_held=share_held("\n".join(texts), question.needs) if is_judged else None,
        first_held=share_held("\n".join(texts[:1]), question.needs) if is_judged else None,
        page_right=_has_page(question, reply),
        reason=reason_of(reply) if verdict in (Verdict.REFUSED, Verdict.TURNED_AWAY) else reply.fault,
        answer=answer,
        words=len(answer.split()),
        seconds=reply.seconds,
        hits=tuple(map(_hit, reply.hits[:DEPTH])),
    )


def verdict_of(question: Question, reply: Reply) -> Verdict:
    """A result without citations is a refusal."""
    if reply.fault:
        return Verdict.FAILED
    is_refused = not reply.result["citations"]
    if not question.answerable:
        return Verdict.TURNED_AWAY if is_refused else Verdict.ANSWERED
    if is_refused:
        return Verdict.REFUSED
    if not question.needs:
        return Verdict.UNJUDGED
    held = share_held(str(reply.result["answer"]), question.needs)
    if held == 1:
        return Verdict.RIGHT
    return Verdict.PARTLY if held else Verdict.WRONG


def reciprocal_rank(right: Iterable[str], found: Sequence[str]) -> float:
    """1 / place of the first right one in ``found``; 0 without any."""
    wanted = set(right)
    return next((1 / place for place, one in enumerate(found, 1) if one in wanted), 0.0)


def recall(right: Iterable[str], found: Iterable[str]) -> float:
    """The share of the right ones that were found. ZeroDivisionError when there are none."""
    wanted = set(right)
    return len(wanted.intersection(found)) / len(wanted)


def ndcg(grades: Mapping[str, int], found: Sequence[str], depth: int = DEPTH) -> float:
    """Normalised discounted cumulative gain, with the grade itself as the gain, as trec_eval has it.

    Järvelin and Kekäläinen, 2002. A document counts where it comes first.
    """
    places = {one: place for place, one in reversed(list(enumerate(found[:depth], 1)))}
    gained = sum(grades.get(one, 0) / log2(place + 1) for one, place in places.items())
    ideal = sorted(grades.values(), reverse=True)[:depth]
    return gained / sum(grade / log2(place + 1) for place, grade in enumerate(ideal, 1))


def reason_of(reply: Reply) -> str:
    """Why a question was refused: what the result says, or that it has no hits."""
    told = reply.result.get("not_found")
    if isinstance(told, dict) and told.get("reason"):
        return str(told["reason"])
    return UNKNOWN if reply.result.get("hits") else NO_HITS


def _held(answer: str, question: Question, *, refused: bool) -> float:
    """A refusal holds nothing, though its wording may have a word that is needed."""
    return 0.0 if refused else share_held(answer, question.needs)


def _has_page(question: Question, reply: Reply) -> bool | None:
    if question.page is None or reply.fault:
        return None
    citations = reply.result["citations"]
    return bool(citations) and citations[0]["page"] == question.page


def _hit(found: Json) -> Hit:
    return Hit(
        str(found["document_id"]),
        found.get("page"),
        float(found["score"]),
        str(found["text"]),
        str(found.get("url") or ""),
    )
