"""What the benchmarks ingest and ask: text that every Python has, or a file of paragraphs and questions."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics


@dataclass(frozen=True, slots=True)
class Corpus:
    """``documents``: texts of some tens of chunks; ``questions``: to be asked of them."""

    name: str
    documents: tuple[str, ...]
    questions: tuple[str, ...]


CHAPTER_CHARACTERS = 40_000  # about fifteen pages, some fifty chunks


def python_topics() -> Corpus:
    """Python's own language reference, half a megabyte of prose and code, its topics bound into chapters."""
    names = sorted(topics)
    questions = tuple(f"What does Python say about {name.replace('-', ' ')}?" for name in names)
    return Corpus("Python's language topics", tuple(_chapters([topics[name] for name in names])), questions)


def _chapters(texts: Sequence[str]) -> Iterator[str]:
    chapter = ""
    for text in texts:
        chapter = f"{chapter}\n\n{text}" if chapter else text
        if len(chapter) >= CHAPTER_CHARACTERS:
            yield chapter
            chapter = ""
    if chapter:
        yield chapter


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
