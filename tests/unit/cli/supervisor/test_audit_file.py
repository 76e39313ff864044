"""The lines of the audit log have a file of their own, which other output does not push out."""

import stat
from pathlib import Path

import pytest

from cli.supervisor import logs
from cli.supervisor.logs import LogFile, Output

AUDIT = b'2026-11-30 01:02:03,004 INFO api aegis.audit audit {"at":1}\n'
DEBUGGED = b'2026-11-30 01:02:03,004 INFO api 77 MainThread aegis.audit:99 audit {"at":1}\n'
AS_JSON = (
    b'{"time": "2026-11-30T01:02:03.004Z", "level": "INFO", "part": "api", "logger": "aegis.audit", '
    b'"event": "audit {}"}\n'
)
OTHER = b"2026-11-30 01:02:03,004 INFO api api.routes.keys of aegis.audit audit {\n"


def written(folder: Path, *pieces: bytes) -> tuple[bytes, bytes]:
    """What is in the part's file, and in that of the audit log."""
    output = Output(LogFile(folder, "api"), lambda _: None, audit=LogFile(folder, "audit", logs.AUDIT_FILES))
    for piece in pieces:
        output.feed(piece)
    output.end()
    output.close()
    return (folder / "api.log").read_bytes(), (folder / "audit.log").read_bytes()


@pytest.mark.parametrize("line", [AUDIT, DEBUGGED, AS_JSON])
def test_they_go_there_alone_however_they_come(tmp_path: Path, line: bytes) -> None:
    assert written(tmp_path, OTHER + line[:20], line[20:] + OTHER) == (OTHER + OTHER, line)
    assert stat.S_IMODE((tmp_path / "audit.log").stat().st_mode) == 0o600


def test_what_only_names_it_goes_with_the_rest(tmp_path: Path) -> None:
    long = b"x" * 70_000

    assert written(tmp_path, OTHER, b" " + AUDIT, long, AUDIT) == (OTHER + b" " + AUDIT + long + AUDIT, b"")


def test_they_are_no_last_words_of_the_part(tmp_path: Path) -> None:
    output = Output(LogFile(tmp_path, "api"), lambda _: None, audit=LogFile(tmp_path, "audit"))
    output.feed(OTHER + AUDIT)
    output.close()

    assert output.last_lines == [OTHER.decode().rstrip()]


def test_a_part_without_one_prints_as_it_did(tmp_path: Path) -> None:
    output = Output(LogFile(tmp_path, "worker"), lambda _: None)
    output.feed(AUDIT)
    output.close()

    assert (tmp_path / "worker.log").read_bytes() == AUDIT


def test_several_former_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "ROTATE_BYTES", 10)
    file = LogFile(tmp_path, "audit", former=3)
    for number in range(6):
        file.write(b"entry %d\n" % number)
    file.close()

    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {
        "audit.log": "entry 5\n",
        "audit.log.1": "entry 4\n",
        "audit.log.2": "entry 3\n",
        "audit.log.3": "entry 2\n",
    }
