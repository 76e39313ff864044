"""What is measured: collections of documents, and questions about them whose answers are known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Text:
    """A document that is given as text. An empty ``title``: it has none."""

    document_id: str
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents that are searched together: ``texts``, and the files that ``folder`` holds.

    ``without``: files in ``folder`` that are no documents.
    """

    name: str
    texts: tuple[Text, ...] = ()
    folder: Path | None = None
    without: frozenset[Path] = frozenset()


@dataclass(frozen=True, slots=True)
class Question:
    """A question about one collection, and what is known of its answer.

    Attributes:
        collection: the name of the collection.
        needs: what a right answer holds: of each need, at least one wording. Empty: only retrieval is judged.
        expected: the right answer as a person reads it.
        answerable: False when the documents do not hold the answer, so that it must be refused.
        documents: the ids of the right documents, with their grades (1 where there is only right and wrong).
        within: the document that the question is limited to by a filter.
        page: the page that the first citation should name.
    """

    text: str
    collection: str
    kind: str
    needs: tuple[tuple[str, ...], ...] = ()
    expected: str = ""
    answerable: bool = True
    documents: Mapping[str, int] = field(default_factory=dict)
    within: str | None = None
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """``has_limits``: the figures of its whole are compared with those that the product must reach."""

    name: str
    collections: tuple[Collection, ...]
    questions: tuple[Question, ...]
    has_limits: bool = False
