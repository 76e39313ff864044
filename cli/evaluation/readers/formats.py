"""Finds out which form a file or folder of questions has, and reads it."""

from collections.abc import Sequence
from pathlib import Path

from cli.evaluation.model import Dataset
from cli.evaluation.readers import beir, cases, table
from cli.evaluation.readers.beir import read_beir
from cli.evaluation.readers.cases import read_cases
from cli.evaluation.readers.paragraphs import read_articles, read_squad
from cli.evaluation.readers.reading import other_form, read_json
from cli.evaluation.readers.table import read_table
from rag.errors import ConfigurationError

_NAMES_SHOWN = 3


def read_all(paths: Sequence[Path]) -> Dataset:
    """The questions at all ``paths`` as one dataset. ConfigurationError, also for two with the same name."""
    datasets = [read(path) for path in paths]
    collections = [collection for dataset in datasets for collection in dataset.collections]
    names = [collection.name for collection in collections]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigurationError(f"two collections would be called {twice!r}: name files of different names")
    return Dataset(
        _joined([dataset.name for dataset in datasets]),
        tuple(collections),
        tuple(question for dataset in datasets for question in dataset.questions),
        has_limits=all(dataset.has_limits for dataset in datasets),
    )


def _joined(names: Sequence[str]) -> str:
    if len(names) <= _NAMES_SHOWN:
        return ", ".join(names)
    return f"{names[0]} and {len(names) - 1} more"


def read(path: Path) -> Dataset:
    """The questions at ``path`` with their documents. ConfigurationError when there are none to be read."""
    if not path.exists():
        raise ConfigurationError(f"{path} is not there")
    dataset = _read_folder(path) if path.is_dir() else _read_file(path)
    if not dataset.questions:
        raise ConfigurationError(f"{path} has no question")
    return dataset


def _read_folder(folder: Path) -> Dataset:
    if (folder / beir.CORPUS).is_file():
        return read_beir(folder)
    for name in (cases.FILE, table.FILE):
        if (folder / name).is_file():
            return _read_file(folder / name)
    raise ConfigurationError(f"{folder} has none of {beir.CORPUS}, {cases.FILE} and {table.FILE}")


def _read_file(file: Path) -> Dataset:
    if file.suffix.lower() == ".csv":
        return read_table(file)
    match content := read_json(file):
        case {"articles": _}:
            return read_articles(file, content)
        case {"data": _}:
            return read_squad(file, content)
        case [{"case": _}, *_]:
            return read_cases(file, content)
    raise other_form(file)
