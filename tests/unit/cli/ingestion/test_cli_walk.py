"""What the words behind ``aegis ingest`` stand for."""

import io
import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import pytest

from cli.ingestion.sources import Link, LocalFile, Omitted, Source, StandardInput, read_standard_input
from cli.ingestion.walk import sources
from rag.errors import ConfigurationError
from rag.naming import document_id_of

GIF = b"GIF89a" + bytes(100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    for name in ("a.md", "deep/b.TXT", "code.py", "Makefile", ".env", ".git/c.md", "node_modules/d.md"):
        _write(made / name, b"text")
    _write(made / "empty.md", b"")
    _write(made / "deep/logo.gif", GIF)
    _write(made / "deep/blob", bytes(range(256)))
    return made


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def ids(found: Iterable[Source | Omitted]) -> list[str | None]:
    return [one.document_id for one in found if not isinstance(one, Omitted)]


def left_out(found: Iterable[Source | Omitted], folder: Path) -> dict[str, str]:
    names = {one.name: one.reason for one in found if isinstance(one, Omitted)}
    return {os.path.relpath(name, folder) + "/" * name.endswith("/"): why for name, why in names.items()}


def test_of_a_folder_everything_is_taken_that_the_api_reads(folder: Path) -> None:
    assert ids(sources([str(folder)])) == ["Makefile", "a.md", "code.py", "deep/b.TXT"]


def test_what_is_left_out_is_named_with_its_reason(folder: Path) -> None:
    assert left_out(sources([str(folder)]), folder) == {
        ".env": "hidden",
        ".git/": "hidden",
        "deep/blob": "data of an unknown kind",
        "deep/logo.gif": "a GIF image",
        "empty.md": "empty",
        "node_modules/": "installed packages",
    }


def test_hidden_files_come_when_they_are_wanted(folder: Path) -> None:
    assert {".env", ".git/c.md"} <= set(ids(sources([str(folder)], hidden=True)))


def test_a_file_that_is_named_is_sent_whatever_it_is(folder: Path) -> None:
    named = [str(folder / name) for name in (".env", "deep/blob")]

    assert ids(sources(named)) == [".env", "blob"]


def test_an_empty_file_that_is_named_is_a_failure(folder: Path) -> None:
    (one,) = sources([str(folder / "empty.md")])

    assert isinstance(one, Omitted)
    assert (one.wanted, one.code) == (True, "empty")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("**/*.md", ["a.md"]),
        ("*/b.*", ["deep/b.TXT"]),
        ("deep/*", ["b.TXT"]),
        ("**/node_modules/*", ["node_modules/d.md"]),
        ("**", ["Makefile", "a.md", "code.py", "deep/b.TXT"]),
        ("[a-c]*", ["a.md", "code.py"]),
    ],
)
def test_a_pattern_has_ids_below_its_first_wildcard(folder: Path, pattern: str, expected: list[str]) -> None:
    assert sorted(map(str, ids(sources([f"{folder}/{pattern}"])))) == expected


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path: Path) -> None:
    _write(tmp_path / "a[1].md", b"text")

    assert ids(sources([str(tmp_path / "a[1].md")])) == ["a[1].md"]


@pytest.mark.parametrize("argument", ["nowhere", "no*where", "x" * 5_000])
def test_what_leads_nowhere_is_an_error_that_names_it(tmp_path: Path, argument: str) -> None:
    with pytest.raises(ConfigurationError, match=r"where|x"):
        list(sources([str(tmp_path / argument)]))


def test_links_in_a_circle_come_to_an_end(folder: Path) -> None:
    (folder / "deep" / "up").symlink_to(folder)
    (folder / "gone.md").symlink_to(folder / "nothing")

    found = list(sources([str(folder)]))

    assert ids(found) == ["Makefile", "a.md", "code.py", "deep/b.TXT"]
    assert left_out(found, folder)["gone.md"] == "a link that leads nowhere"


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.md")

    assert left_out(sources([str(folder)]), folder)["pipe.md"] == "no ordinary file"


def test_a_pipe_that_is_named_is_for_standard_input(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")

    (one,) = sources([str(tmp_path / "pipe.md")])

    assert isinstance(one, Omitted)
    assert (one.wanted, "`-`" in one.reason) == (True, True)


def test_a_folder_that_cannot_be_read_is_a_failure_and_the_rest_comes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def guarded(path: Path) -> object:
        if path.name == "deep":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("cli.ingestion.walk.os.scandir", guarded)

    found = list(sources([str(folder)]))

    assert ids(found) == ["Makefile", "a.md", "code.py"]
    (failed,) = (one for one in found if isinstance(one, Omitted) and one.wanted)
    assert (failed.reason, failed.code) == ("Permission denied", "unread")


def test_a_name_that_no_id_may_have_gets_one_all_the_same(tmp_path: Path) -> None:
    _write(tmp_path / "a\x1b[31m\n.md", b"text")

    (only,) = ids(sources([str(tmp_path)]))

    assert str(only).isprintable()


@pytest.mark.parametrize("address", ["https://example.com/a.html", "HTTP://example.com"])
def test_an_address_is_handed_on(address: str) -> None:
    assert list(sources([address])) == [Link(address)]


def test_an_address_that_would_steer_a_terminal_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no address"):
        list(sources(["https://example.com/\x1b[31m"]))


def test_a_mark_changes_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    _write(file, b"one")
    before = LocalFile.at(file, "a.md")
    os.utime(file, ns=(1, 1))

    assert before.mark != LocalFile.at(file, "a.md").mark
    assert before.size == 3


def test_standard_input_has_the_id_that_is_given_or_one_of_its_content() -> None:
    named = read_standard_input(io.BytesIO(b"text"), "notes/a.md", "md")
    unnamed = read_standard_input(io.BytesIO(b"text"), None, None)

    assert isinstance(named, StandardInput)
    assert isinstance(unnamed, StandardInput)
    assert (named.document_id, named.filename, named.media_type) == ("notes/a.md", "a.md", "text/markdown")
    assert unnamed.document_id == document_id_of(f"sha256:{sha256(b'text').hexdigest()}")
    assert named.size == 4


def test_an_empty_standard_input_is_a_failure() -> None:
    one = read_standard_input(io.BytesIO(b""), None, None)

    assert isinstance(one, Omitted)
    assert one.wanted


def test_a_name_that_is_no_id_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--name"):
        read_standard_input(io.BytesIO(b"text"), "a\nb", None)


def test_an_empty_argument_names_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)

    with pytest.raises(ConfigurationError, match="empty"):
        list(sources([""]))


@pytest.mark.timeout(30)
def test_a_pattern_ends_where_links_lead_upwards(tmp_path: Path) -> None:
    _write(tmp_path / "l" / "deep" / "a.md", b"text")
    for name in ("up", "upper"):
        (tmp_path / "l" / "deep" / name).symlink_to("..")

    assert ids(sources([f"{tmp_path}/l/**/*.md"])) == ["deep/a.md"]


def test_parts_of_a_pattern_that_follow_wildcards_are_taken_as_they_are(folder: Path) -> None:
    assert ids(sources([f"{folder}/**/**/deep/*.TXT"])) == ["deep/b.TXT"]
    with pytest.raises(ConfigurationError, match="nothing matches"):
        list(sources([f"{folder}/*/c.md"]))
    assert ids(sources([f"{folder}/.g*/c.md"])) == [".git/c.md"]


def test_the_folder_of_a_user_whom_nobody_knows_is_one_line() -> None:
    with pytest.raises(ConfigurationError, match="~nobody-here/x"):
        list(sources(["~nobody-here/x"]))


def test_a_link_that_leads_to_itself_is_named_and_the_rest_comes(folder: Path) -> None:
    (folder / "deep" / "self").symlink_to("self")

    found = list(sources([str(folder)]))

    assert ids(found) == ["Makefile", "a.md", "code.py", "deep/b.TXT"]
    assert left_out(found, folder)["deep/self"] == "a link that leads nowhere"


@pytest.mark.parametrize("name", ["~$report.docx", ".~lock.report.odt#"])
def test_lock_files_of_office_programs_are_left_out_also_where_a_shell_names_them(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / name, b"Ada Lovelace")
    _write(tmp_path / "report.docx", b"text")
    monkeypatch.chdir(tmp_path)

    for arguments in (["."], [name, "report.docx"]):
        found = list(sources(arguments, hidden=True))
        (omitted,) = (one for one in found if isinstance(one, Omitted))

        assert ids(found) == ["report.docx"]
        assert (omitted.name, omitted.wanted) == (name, False)
        assert "lock file" in omitted.reason


def test_a_file_whose_name_begins_like_a_users_folder_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "~nobody-here", b"text")
    monkeypatch.chdir(tmp_path)

    assert ids(sources(["~nobody-here"])) == ["~nobody-here"]


def test_names_that_are_no_text_have_ids_of_their_own(tmp_path: Path) -> None:
    names = (b"a\nb.md", b"a%0Ab.md", b"\xff.md", b"a\\b.md", b"a/b.md", b" ", b"C:/vpn.md")
    for name in (*names, "\u00e9/c.md".encode(), "e\u0301/c.md".encode()):
        _write(tmp_path / os.fsdecode(name), b"text")

    found = list(map(str, ids(sources([str(tmp_path)]))))

    expected = {"a%0Ab.md", "a%250Ab.md", "%FF.md", "a%5Cb.md", "a/b.md", "%20", "C:/vpn.md"}
    assert {*found} == {*expected, "\u00e9/c.md", "e%CC%81/c.md"}
    assert len(found) == len({*found})


def test_a_path_that_is_too_long_for_the_system_is_a_failure_and_the_rest_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "top" / "a.md", b"text")
    monkeypatch.chdir(tmp_path / "top")
    for _ in range(25):
        Path("d" * 200).mkdir()
        monkeypatch.chdir("d" * 200)
    monkeypatch.chdir(tmp_path)

    found = list(sources([str(tmp_path / "top")]))

    assert ids(found) == ["a.md"]
    (failed,) = (one for one in found if isinstance(one, Omitted))
    assert (failed.reason, failed.wanted) == ("File name too long", True)


def test_of_a_pattern_the_folder_that_cannot_be_read_is_a_failure_and_the_rest_comes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = Path.iterdir

    def guarded(path: Path) -> Iterable[Path]:
        if path.name == "deep":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", guarded)

    found = list(sources([f"{folder}/**/*.md"]))

    assert ids(found) == ["a.md"]
    assert left_out(found, folder)["deep/"] == "Permission denied"
