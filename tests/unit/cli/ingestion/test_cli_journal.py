"""What is remembered of what was sent."""

import stat
from pathlib import Path

import pytest

from cli.ingestion.journal import Journal

URL = "http://api.test"


def journal(folder: Path, collection: str | None = None) -> Journal:
    return Journal.at(folder, URL, collection)


def test_what_was_noted_is_known_to_the_next_run(tmp_path: Path) -> None:
    journal(tmp_path).accept("a.md", "m1", "job-1")
    known = journal(tmp_path).entry("a.md", "m1")
    assert known is not None
    assert (known.job, known.version) == ("job-1", 0)

    journal(tmp_path).finish("a.md", "m1", "job-1", 3)
    known = journal(tmp_path).entry("a.md", "m1")
    assert known is not None
    assert known.version == 3


def test_a_file_that_has_changed_is_not_known(tmp_path: Path) -> None:
    journal(tmp_path).accept("a.md", "m1", "job-1")

    assert journal(tmp_path).entry("a.md", "m2") is None


def test_apis_and_collections_are_kept_apart(tmp_path: Path) -> None:
    journal(tmp_path).accept("a.md", "m1", "job-1")

    assert journal(tmp_path, "other").entry("a.md", "m1") is None
    assert Journal.at(tmp_path, "http://other.test", None).entry("a.md", "m1") is None


def test_a_key_stays_until_its_answer_is_noted(tmp_path: Path) -> None:
    first = journal(tmp_path).key("a.md", "m1")
    assert journal(tmp_path).key("a.md", "m1") == first
    assert journal(tmp_path).key("a.md", "m2") != first
    assert journal(tmp_path / "elsewhere").key("a.md", "m1") != first

    journal(tmp_path).accept("a.md", "m1", "job-1")

    assert journal(tmp_path).key("a.md", "m1") != first


def test_a_line_that_was_cut_off_or_is_none_of_ours_is_passed_over(tmp_path: Path) -> None:
    journal(tmp_path).accept("a.md", "m1", "job-1")
    (file,) = tmp_path.glob("*.jsonl")
    file.write_bytes(file.read_bytes() + b'[1]\n{"id": "x"}\n\xff\n{"id": "b.md", "mark": "m')

    assert journal(tmp_path).entry("a.md", "m1") is not None
    assert journal(tmp_path).entry("b.md", "m") is None


def test_outdated_lines_go(tmp_path: Path) -> None:
    many = journal(tmp_path)
    for number in range(1_200):
        many.accept("a.md", f"m{number}", "job-1")

    assert journal(tmp_path).entry("a.md", "m1199") is not None

    (file,) = tmp_path.glob("*.jsonl")
    assert len(file.read_text().splitlines()) == 2


def test_others_may_not_read_it(tmp_path: Path) -> None:
    journal(tmp_path / "state").accept("a.md", "m1", "job-1")

    (file,) = (tmp_path / "state").glob("*.jsonl")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_a_full_disk_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = journal(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    one.accept("a.md", "m1", "job-1")

    assert one.entry("a.md", "m1") is not None
    assert "No space" in one.fault
