"""``cases.json``: cases with questions, each beside the folder with its documents.

``[{"case": FOLDER, "questions": [{"q", "need": [words] or null, "document_id", "page"}]}]``: a right answer
holds all the words of ``need``; null: the documents do not hold the answer. ``document_id`` limits the
question to one document, ``page`` is the one that the first citation should name.
"""

from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from cli.evaluation.model import Collection, Dataset, Question
from cli.evaluation.readers.reading import Wording, Words, validated
from rag.errors import ConfigurationError

FILE = "cases.json"


class _Question(BaseModel):
    q: Wording
    need: list[Words] | None = Field(min_length=1)
    document_id: Words | None = None
    page: int | None = Field(None, ge=1)


class _Case(BaseModel):
    case: Words
    questions: list[_Question]


_CASES = TypeAdapter(list[_Case])


def read_cases(path: Path, content: object) -> Dataset:
    """``content``: the file's JSON. ConfigurationError for another form, and for a folder that is missing."""
    cases = validated(path, _CASES, content)
    collections = tuple(Collection(case.case, folder=_folder_of(path, case.case)) for case in cases)
    questions = tuple(_question(case.case, each) for case in cases for each in case.questions)
    return Dataset(path.parent.resolve().name, collections, questions)


def _folder_of(path: Path, case: str) -> Path:
    if Path(case).name != case or not (folder := path.parent / case).is_dir():
        raise ConfigurationError(f"{path}: beside it there is no folder {case!r} with the case's documents")
    return folder


def _question(case: str, found: _Question) -> Question:
    return Question(
        found.q,
        case,
        case,
        needs=tuple((words,) for words in found.need or ()),
        expected="; ".join(found.need or ()),
        answerable=found.need is not None,
        within=found.document_id,
        page=found.page,
    )
