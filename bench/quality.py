"""Measures retrieval, answers and refusals on questions with known answers, over the REST contract.

Each paragraph is ingested as one document. The file's form: ``{"articles": [{"title", "paragraphs":
[{"text", "questions": [{"question", "answers": [text, …]}]}]}]}``.

There are two collections: one of every article, for retrieval and answers; one of every other
article, for refusals. In the second one, questions of the missing articles are unrelated to
the documents, and a refusal of any other question is a false one. A question counts as refused
when its answer has no citations.
"""

import json
import random
import re
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench.client import Asked, Caller
from rag.errors import ConfigurationError

DEPTH = 10  # hits that count for MRR@10 and recall@10


@dataclass(frozen=True, slots=True)
class Asking:
    """A question, the document that answers it, and the texts of which a right answer contains one."""

    question: str
    document_id: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Article:
    paragraphs: tuple[str, ...]
    questions: tuple[Asking, ...]


@dataclass(frozen=True, slots=True)
class Quality:
    """All are shares in [0, 1]; ``words`` is the mean length of an answer."""

    mrr: float
    recall: float
    answered: float
    words: float
    refused: float
    falsely_refused: float
    questions: int


def measure(file: Path, caller: Caller, *, sample: int | None = None, seed: int = 7) -> Quality:
    """Measure with ``file``. ``sample``: at most so many questions of each kind, drawn by ``seed``."""
    articles = read(file)
    stamp = sha256(file.read_bytes()).hexdigest()[:12]
    whole, half = f"eval-{stamp}", f"eval-half-{stamp}"
    _ingest(caller, articles, whole)
    _ingest(caller, articles[::2], half)
    draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
    asked = _draw_sample(draw, articles, sample)
    known = _draw_sample(draw, articles[::2], sample)
    unrelated = _draw_sample(draw, articles[1::2], sample)
    found = caller.ask_all([a.question for a in asked], whole, top_n=DEPTH)
    answers = caller.ask_all([a.question for a in asked], whole)
    reciprocal = [_reciprocal_rank(a, f) for a, f in zip(asked, found, strict=True)]
    return Quality(
        mrr=_mean(reciprocal),
        recall=_mean(rank > 0 for rank in reciprocal),
        answered=_mean(
            any(f" {normalised(right)} " in f" {normalised(f.result['answer'])} " for right in a.answers)
            for a, f in zip(asked, answers, strict=True)
        ),
        words=_mean(len(f.result["answer"].split()) for f in answers),
        refused=_mean(map(_refused, caller.ask_all([a.question for a in unrelated], half))),
        falsely_refused=_mean(map(_refused, caller.ask_all([a.question for a in known], half))),
        questions=len(asked),
    )


def read(file: Path) -> list[Article]:
    """The articles of ``file``. ConfigurationError when it has another form."""
    try:
        return [
            Article(
                paragraphs=tuple(paragraph["text"] for paragraph in article["paragraphs"]),
                questions=tuple(
                    Asking(question["question"], _id(paragraph["text"]), tuple(question["answers"]))
                    for paragraph in article["paragraphs"]
                    for question in paragraph["questions"]
                ),
            )
            for article in json.loads(file.read_text("utf-8"))["articles"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{file} has not the form of questions with known answers ({type(error).__name__}: {error}): "
            "docs/reference/cli.md shows it"
        ) from error


def _id(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:24]


def _ingest(caller: Caller, articles: Sequence[Article], collection: str) -> None:
    texts = [text for article in articles for text in article.paragraphs]
    caller.ingest(texts, collection, [_id(text) for text in texts])


def _draw_sample(draw: random.Random, articles: Sequence[Article], sample: int | None) -> list[Asking]:
    questions = [question for article in articles for question in article.questions]
    return questions if sample is None else draw.sample(questions, min(sample, len(questions)))


def _reciprocal_rank(asking: Asking, asked: Asked) -> float:
    """1 / place of the right document among the first ten hits; 0 when it is not there."""
    found = [hit["document_id"] for hit in asked.result["hits"][:DEPTH]]
    return 1 / (found.index(asking.document_id) + 1) if asking.document_id in found else 0.0


def normalised(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces: as SQuAD's own evaluation compares."""
    text = re.sub(r"\[\d+\]", " ", text.lower())
    text = "".join(" " if c in string.punctuation else c for c in text)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def _refused(asked: Asked) -> bool:
    return not asked.result["citations"]


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0
