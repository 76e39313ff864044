"""A folder of documents with a table of questions, ``questions.csv``.

The table's first line names its columns, in any order and in any case. ``need`` goes before ``answer``; a
line with neither is a question that the documents do not answer.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from io import StringIO
from pathlib import Path

from cli.evaluation.model import Collection, Dataset, Question
from cli.evaluation.readers.reading import MOST_QUESTION, read_text
from cli.evaluation.wording import holds
from cli.ingestion.walk import files
from rag.errors import ConfigurationError

FILE = "questions.csv"
DOCUMENTS = "docs"
"""The folder of the documents; without it they are beside the table."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "q"),
    "need": ("need", "needs"),
    "answer": ("answer", "reference"),
    "document": ("document", "documents", "document_id", "source docs"),
    "page": ("page",),
    "kind": ("kind", "question type"),
}
"""What a column is about, and the names that it may have."""

SHORT_ANSWER = 5
"""Words that an answer may have to be needed itself. Of a longer one, numbers are."""

_DELIMITERS = ",;\t"
_MOST_PATTERN = 300
_NUMBER = re.compile(r"(?<!\d)\d+(?:[.,]\d+)*%?")
_YEAR = re.compile(r"(?:19|20)\d\d\Z")
_LONG = 3
"""Digits of a number that is looked up; a shorter one is, if it is a share or has a point."""

_SOURCE = re.compile(r"\(SOURCE[^)]{0,500}\)|^[ \t]*SOURCE.*", re.MULTILINE)

Row = Mapping[str, str]


def read_table(file: Path) -> Dataset:
    """``file``: the table. ConfigurationError for another form, and for a document that is missing."""
    name = file.parent.resolve().name
    documents = file.parent / DOCUMENTS
    folder = documents if documents.is_dir() else file.parent
    without = frozenset({file.resolve()})
    ids = [each.document_id for each in files([folder]) if each.path.resolve() not in without]
    if not ids:
        raise ConfigurationError(f"{folder} holds no document that the API reads")
    questions = tuple(_question(f"{file}, line {line}", row, name, ids) for line, row in _rows(file))
    return Dataset(name, (Collection(name, folder=folder, without=without),), questions)


def _rows(file: Path) -> Iterator[tuple[int, Row]]:
    """Each row by what its columns are about, with the number of its last line."""
    text = read_text(file)
    head = text.partition("\n")[0]
    for delimiter in _DELIMITERS:
        columns = _columns(next(csv.reader([head.rstrip("\r")], delimiter=delimiter), []))
        if "question" in columns:
            break
    else:
        raise ConfigurationError(f"{file}: its first line names no column `question`")
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    try:
        next(reader)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found = {about: cells[at].strip() for about, at in columns.items() if at < len(cells)}
                yield reader.line_num, found
    except csv.Error as error:
        raise ConfigurationError(f"{file}, line {reader.line_num}: {error}") from error


def _columns(head: Sequence[str]) -> dict[str, int]:
    names = [name.strip().casefold() for name in head]
    return {about: names.index(name) for about, known in COLUMNS.items() for name in known if name in names}


def _question(place: str, row: Row, name: str, ids: Sequence[str]) -> Question:
    text, need, answer = row.get("question", ""), row.get("need", ""), row.get("answer", "")
    if not 0 < len(text) <= MOST_QUESTION:
        raise ConfigurationError(f"{place}: a question has 1 to {MOST_QUESTION} characters")
    return Question(
        text,
        name,
        row.get("kind") or name,
        needs=_needs(need) if need else needs_of_answer(answer, text),
        expected=answer or need,
        answerable=bool(need or answer),
        documents=dict.fromkeys(_matching(place, row.get("document", ""), ids), 1),
        page=_page(place, row.get("page", "")),
    )


def _needs(cell: str) -> tuple[tuple[str, ...], ...]:
    """``a|b; c`` needs one of a and b, and c."""
    wordings = (tuple(w.strip() for w in need.split("|") if w.strip()) for need in cell.split(";"))
    return tuple(each for each in wordings if each)


def needs_of_answer(answer: str, question: str = "") -> tuple[tuple[str, ...], ...]:
    """What an answer must hold to agree with a reference ``answer``; none where that cannot be told.

    A short reference itself. Of a longer one the numbers that are looked up: of two digits with a point,
    a comma or a percent sign, and of three digits, but no year, none that names a source
    (``(SOURCE: …)``, ``SOURCE(S): …``), and none of the ``question``.
    """
    if 0 < len(answer.split()) <= SHORT_ANSWER:
        return ((answer,),)
    numbers = dict.fromkeys(_NUMBER.findall(_SOURCE.sub("", answer)))
    return tuple((n.rstrip("%"),) for n in numbers if _is_looked_up(n) and not holds(question, n))


def _is_looked_up(number: str) -> bool:
    if number.isdigit():
        return len(number) >= _LONG and not _YEAR.match(number)
    return len(number.rstrip("%")) > 1


def _matching(place: str, cell: str, ids: Sequence[str]) -> list[str]:
    """The documents that the cell names: ids or file names, ``*`` stands for anything, ``;`` separates."""
    found: list[str] = []
    for pattern in (each.strip() for each in cell.split(";")):
        if not pattern:
            continue
        if len(pattern) > _MOST_PATTERN:
            raise ConfigurationError(f"{place}: a document's name has {_MOST_PATTERN} characters at most")
        fitting = [i for i in ids if fnmatchcase(i, pattern) or fnmatchcase(i.rpartition("/")[2], pattern)]
        if not fitting:
            raise ConfigurationError(f"{place}: no document is called {pattern!r}")
        found += fitting
    return found


def _page(place: str, cell: str) -> int | None:
    if cell and not (cell.isdecimal() and len(cell) < 7 and int(cell)):
        raise ConfigurationError(f"{place}: {cell!r} is no page number")
    return int(cell) if cell else None
