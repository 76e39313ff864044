"""The benchmarks' documents and questions: text that every Python has, or a file with both."""

import json
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
    """Python's own language reference: half a megabyte of prose and code, its topics joined to chapters."""
    names = sorted(topics)
    questions = tuple(f"What does Python say about {name.replace('-', ' ')}?" for name in names)
    chapters = [""]
    for name in names:
        if len(chapters[-1]) >= CHAPTER_CHARACTERS:
            chapters.append("")
        chapters[-1] = f"{chapters[-1]}\n\n{topics[name]}" if chapters[-1] else topics[name]
    return Corpus("Python's language topics", tuple(chapters), questions)


def of_file(path: Path) -> Corpus:
    """A file of articles in the form of docs/reference/cli.md; each article is one document."""
    articles = json.loads(path.read_text("utf-8"))["articles"]
    documents = tuple("\n\n".join(p["text"] for p in article["paragraphs"]) for article in articles)
    questions = tuple(
        question["question"]
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["questions"]
    )
    return Corpus(path.name, documents, questions)
