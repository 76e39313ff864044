"""What a job is called: by what a person knows it by, in one line, and without what a log must not say."""

from typing import Any

import pytest

from rag.jobs.subjects import Subject, first_words, label, subject_of
from rag.model import Job, JobKind, JobState, Stage
from rag.naming import document_id_of

MADE = document_id_of("sha256:1")
BACKUP = "0190a0a0-0000-7000-8000-000000000000"


def job(kind: JobKind, collection: str = "handbook", /, **inputs: Any) -> Job:
    return Job("id", kind, JobState.QUEUED, Stage.PARSE, collection, inputs, 0.0, 0.0)


@pytest.mark.parametrize(
    ("made", "name", "logged"),
    [
        (
            job(JobKind.INGEST, document_id="guides/vpn.md", title="VPN", filename="vpn.md"),
            "VPN",
            "ingest VPN in handbook",
        ),
        (
            job(JobKind.INGEST, document_id="guides/vpn.md", title=None, filename="vpn.md"),
            "guides/vpn.md",
            "ingest guides/vpn.md in handbook",
        ),
        (
            job(JobKind.INGEST, document_id=MADE, title=None, filename="vpn.md"),
            "vpn.md",
            "ingest vpn.md in handbook",
        ),
        (
            job(JobKind.INGEST, document_id=MADE, title=None, url="https://u:p@a.example/b?signature=s#f"),
            "https://a.example/b?…",
            "ingest https://a.example/b?… in handbook",
        ),
        (
            job(JobKind.INGEST, document_id=MADE, title=None, filename=None, beginning="The lamp is green."),
            "The lamp is green.",
            f"ingest {MADE} in handbook",
        ),
        (job(JobKind.QUERY, question="Who has\n a token?"), "Who has a token?", "query in handbook"),
        (
            job(JobKind.DELETE, document_id="guides/vpn.md", version=3, blobs=[], title=""),
            "guides/vpn.md",
            "delete guides/vpn.md in handbook",
        ),
        (job(JobKind.DELETE, document_id=None), "handbook", "delete handbook"),
        (job(JobKind.REINDEX, model="jina"), "handbook by jina", "reindex handbook by jina"),
        (job(JobKind.BACKUP, "", mode="full", trigger="request"), "full backup", "backup full backup"),
        (job(JobKind.VERIFY, "", backup=BACKUP), BACKUP, f"verify {BACKUP}"),
        (
            job(JobKind.RESTORE, "", backup=BACKUP, collection="a", into="b"),
            f"a of {BACKUP} into b",
            f"restore a of {BACKUP} into b",
        ),
        (job(JobKind.PRUNE, ""), "old backups", "prune old backups"),
    ],
)
def test_each_kind_has_its_name(made: Job, name: str, logged: str) -> None:
    assert subject_of(made).name == name
    assert label(made) == logged


def test_what_there_is_is_told_one_by_one() -> None:
    inputs = {"document_id": "a", "title": "T", "filename": "f.md", "generation": 1, "source_key": "s"}

    assert subject_of(job(JobKind.INGEST, **inputs)) == Subject(
        name="T", collection="handbook", document_id="a", title="T", filename="f.md"
    )
    assert subject_of(job(JobKind.BACKUP, "", mode="full")).collection is None
    assert subject_of(job(JobKind.RESTORE, "", backup=BACKUP, collection="a", into=None)).collection == "a"


@pytest.mark.parametrize("kind", JobKind)
def test_a_record_that_says_nothing_breaks_no_list(kind: JobKind) -> None:
    assert subject_of(job(kind)).collection == "handbook"
    assert label(job(kind)).startswith(kind)


def test_what_is_long_is_cut() -> None:
    asked = subject_of(job(JobKind.QUERY, question="why " * 1000))

    assert asked.question is not None
    assert (len(asked.question), asked.question[-1], len(asked.name)) == (200, "…", 200)
    assert len(label(job(JobKind.INGEST, document_id=MADE, title="t" * 500))) < 150


def test_a_question_is_in_a_log_only_where_it_may_be() -> None:
    asked = job(JobKind.QUERY, question="Who has a token?")

    assert "token" not in label(asked)
    assert label(asked, questions=True) == "query Who has a token? in handbook"


@pytest.mark.parametrize("foreign", ["a\x1b[2Jb", "a\nb", "a\u202eb"])
def test_what_would_steer_a_terminal_is_in_no_name(foreign: str) -> None:
    made = job(JobKind.INGEST, document_id=MADE, title=None, filename=foreign)

    assert subject_of(made).name.isprintable()
    assert label(made).isprintable()


def test_a_text_is_called_by_its_first_words() -> None:
    assert (
        first_words("# VPN\n\nThe VPN needs a token, and the token a card.")
        == "# VPN The VPN needs a token, and"
    )
    assert first_words("x" * 5000) == "x" * 199 + "…"
