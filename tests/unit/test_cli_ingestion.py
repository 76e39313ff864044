"""What ``aegis ingest`` finds, and what it makes of two files with one id."""

from pathlib import Path

import pytest

from cli import ingestion
from cli.client import Client
from cli.ingestion import Outcome, ingest, walk
from rag.errors import UnsupportedMedia
from rag.model import Json


class Desk(Client):
    """Accepts everything but what is named ``bad``; every job succeeds."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def ingest(self, file: Path, document_id: str, collection: str | None = None) -> Json:
        if "bad" in file.name:
            raise UnsupportedMedia("no parser reads it")
        self.taken.append(document_id)
        return {"job_id": document_id}

    def finished(self, job_id: str) -> Json:
        if "late" in job_id:
            return {"state": "failed", "error": {"detail": "encrypted"}}
        return {"state": "succeeded", "result": {"chunks": 2}}


def _made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text")


def test_folders_are_walked_and_ids_are_paths_below_them(tmp_path: Path) -> None:
    _made(tmp_path, "a.md", "deep/b.PDF", "c.xyz", ".git/d.md", "node_modules/e.md", "Makefile")

    walked = walk([tmp_path])

    assert [found.document_id for found in walked.files] == ["a.md", "deep/b.PDF"]
    assert walked.skipped == {".xyz": 1, "no extension": 1}


def test_a_file_that_is_named_is_sent_whatever_its_type(tmp_path: Path) -> None:
    _made(tmp_path, "c.xyz")

    assert [found.document_id for found in walk([tmp_path / "c.xyz"]).files] == ["c.xyz"]


def test_a_root_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        walk([tmp_path / "nowhere"])


def test_every_file_has_an_outcome_with_its_reason(tmp_path: Path) -> None:
    _made(tmp_path, "a.md", "bad.md", "late.md")
    seen: list[Outcome] = []

    outcomes = ingest(Desk(), walk([tmp_path]).files, None, wait=True, done=seen.append)

    assert [o.reason for o in outcomes] == [None, "no parser reads it", "encrypted"]
    assert seen == outcomes


def test_only_so_many_files_are_sent_ahead_of_the_one_that_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "AHEAD", 5)
    _made(tmp_path, *(f"{n:02}.md" for n in range(30)))
    desk = Desk()
    most_open = 0

    def done(_outcome: Outcome) -> None:
        nonlocal most_open
        followed.append(_outcome)
        most_open = max(most_open, len(desk.taken) - len(followed))

    followed: list[Outcome] = []
    outcomes = ingest(desk, walk([tmp_path]).files, None, wait=True, done=done)

    assert [outcome.reason for outcome in outcomes] == [None] * 30
    assert len(desk.taken) == 30
    assert most_open <= 5


def test_of_two_files_with_one_id_the_second_is_refused(tmp_path: Path) -> None:
    _made(tmp_path, "x/a.md", "y/a.md")
    desk = Desk()

    outcomes = ingest(
        desk, walk([tmp_path / "x", tmp_path / "y"]).files, None, wait=False, done=lambda _: None
    )

    assert desk.taken == ["a.md"]
    assert "same document id" in (outcomes[1].reason or "")
