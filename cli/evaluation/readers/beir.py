"""A folder of the BEIR benchmark: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/*.tsv``.

https://github.com/beir-cellar/beir: documents with an ``_id``, ``title`` and ``text``, queries with an
``_id`` and ``text``, and grades of documents for queries, tab-separated under one line of names.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter

from cli.evaluation.model import Collection, Dataset, Question, Text
from cli.evaluation.readers.reading import Wording, Words, read_json_lines, read_text
from rag.errors import ConfigurationError
from rag.naming import checked_document_id

CORPUS, QUERIES, GRADES = "corpus.jsonl", "queries.jsonl", "qrels"
MOST_GRADE = 100
_PREFERRED = "test.tsv"
_TITLE = 500

Grades = dict[str, dict[str, int]]
"""Of each query, its right documents."""


class _Document(BaseModel):
    id: Annotated[str, AfterValidator(checked_document_id)] = Field(alias="_id")
    title: str = ""
    text: str = ""


class _Query(BaseModel):
    id: Words = Field(alias="_id")
    text: Wording


_DOCUMENT, _QUERY = TypeAdapter(_Document), TypeAdapter(_Query)


def read_beir(folder: Path) -> Dataset:
    """ConfigurationError for a folder of another form. Queries that no grade is for are left out."""
    texts = {
        each.id: Text(each.id, each.text.strip() or each.title, each.title.strip()[:_TITLE])
        for each in read_json_lines(folder / CORPUS, _DOCUMENT)
        if each.text.strip() or each.title.strip()
    }
    grades = _read_grades(folder / GRADES)
    questions = tuple(
        Question(query.text, folder.name, folder.name, documents=grades[query.id])
        for query in read_json_lines(folder / QUERIES, _QUERY)
        if query.id in grades
    )
    if not questions:
        raise ConfigurationError(f"{folder / GRADES} grades no query of {folder / QUERIES}")
    return Dataset(folder.name, (Collection(folder.name, tuple(texts.values())),), questions)


def _read_grades(folder: Path) -> Grades:
    """Those of ``test.tsv`` where there is one, else of every file."""
    files = [folder / _PREFERRED] if (folder / _PREFERRED).is_file() else sorted(folder.glob("*.tsv"))
    if not files:
        raise ConfigurationError(f"{folder} has no file of grades, such as {_PREFERRED}")
    grades: Grades = {}
    for file in files:
        for query, document, grade in _rows(file):
            if grade > 0:
                grades.setdefault(query, {})[document] = min(grade, MOST_GRADE)
    return grades


def _rows(file: Path) -> Iterator[tuple[str, str, int]]:
    """Query, document and grade of each line but the first, which has the names."""
    for number, line in enumerate(read_text(file).splitlines()[1:], 2):
        cells = line.split("\t")
        if len(cells) != 3 or not cells[2].strip().lstrip("-").isdecimal() or len(cells[2]) > 9:
            raise ConfigurationError(
                f"{file}, line {number}: must be a query, a document and a grade with tabs between"
            )
        yield cells[0], cells[1], int(cells[2])
