"""What the benchmarks ingest and ask: text that every Python has, or a file of paragraphs and questions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics


@dataclass(frozen=True, slots=True)
class Corpus:
    """``documents``: texts of a few to some hundred chunks; ``questions``: to be asked of them."""

    name: str
    documents: tuple[str, ...]
    questions: tuple[str, ...]


def python_topics() -> Corpus:
    """Python's own language reference, by topic: about 0.7 MB of prose and code."""
    questions = tuple(f"What does Python say about {topic.replace('-', ' ')}?" for topic in sorted(topics))
    return Corpus("Python's language topics", tuple(topics[topic] for topic in sorted(topics)), questions)


def of_file(path: Path) -> Corpus:
    """Articles of a file in the form that ``aegis eval`` reads, each one document."""
    articles = json.loads(path.read_text("utf-8"))["articles"]
    documents = tuple("\n\n".join(p["text"] for p in article["paragraphs"]) for article in articles)
    questions = tuple(
        question["question"]
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["questions"]
    )
    return Corpus(path.name, documents, questions)


def characters(documents: Sequence[str]) -> int:
    return sum(map(len, documents))
