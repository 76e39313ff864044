"""Hostile files harm nobody but themselves, and the parsing processes come and go in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from rag import media
from rag.errors import (
    DocumentError,
    DocumentTooLarge,
    EmptyDocument,
    UnreadableDocument,
    UnsupportedMedia,
)
from rag.parsing.parser import IsolatedParser
from rag.settings import Settings
from tests.documents import MAKERS, SENTENCES
from tests.documents.hostile import BOMBS, LOCKED, noise, pdf_bomb
from tests.documents.page import written

BINARY = (media.PDF, media.DOCX, media.PPTX, media.XLSX, media.ODT, media.ODS, media.EPUB, media.RTF)


@pytest.fixture(scope="module")
def isolated_parser() -> Iterator[IsolatedParser]:
    with IsolatedParser(Settings(parse_memory_mb=256, parse_timeout=20)) as one:
        yield one


def still_works(isolated_parser: IsolatedParser) -> None:
    assert SENTENCES[0] in isolated_parser.parse(MAKERS[media.MARKDOWN](), media.MARKDOWN, "handbook.md").text


def outcome(isolated_parser: IsolatedParser, media_type: str, data: bytes) -> str:
    """The text, or what its owner is told about the file."""
    try:
        return isolated_parser.parse(data, media_type, "hostile").text
    except DocumentError as error:
        return str(error)


def family_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def fork_server_of(isolated_parser: IsolatedParser) -> psutil.Process:
    """It starts with the first file."""
    still_works(isolated_parser)
    assert isolated_parser._server is not None
    return psutil.Process(isolated_parser._server.process.pid)


def eventually(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_a_bomb_is_refused_or_read_within_limits(isolated_parser, name):
    media_type, data = BOMBS[name]()
    before = psutil.Process().memory_info().rss
    assert 0 < len(outcome(isolated_parser, media_type, data)) < 10_000
    assert psutil.Process().memory_info().rss - before < 100 << 20
    still_works(isolated_parser)


def test_a_file_that_needs_too_much_memory_is_refused_with_the_limit(isolated_parser):
    media_type, data = pdf_bomb()
    with pytest.raises(DocumentTooLarge, match="more than 256 MB of memory"):
        isolated_parser.parse(data, media_type, "bomb.pdf")


def test_a_file_that_takes_too_long_is_refused_with_the_limit():
    media_type, data = pdf_bomb()
    with IsolatedParser(Settings(parse_timeout=0.2)) as isolated_parser:
        with pytest.raises(DocumentTooLarge, match=r"longer than 0.2 s"):
            isolated_parser.parse(data, media_type, "slow.pdf")
        assert fork_server_of(isolated_parser).children() == []


def test_a_file_with_too_much_text_is_refused_with_the_limit():
    with (
        IsolatedParser(Settings(max_text_mb=1)) as isolated_parser,
        pytest.raises(DocumentTooLarge, match="at most 1 MB"),
    ):
        isolated_parser.parse(b"many words " * 200_000, media.TEXT, "long.txt")


@pytest.mark.parametrize("name", sorted(LOCKED))
def test_an_encrypted_file_says_so(isolated_parser, name):
    media_type, data = LOCKED[name]()
    with pytest.raises(UnreadableDocument, match=r"is encrypted: remove the password"):
        isolated_parser.parse(data, media_type, name)


@pytest.mark.parametrize("media_type", sorted(media.READABLE), ids=lambda kind: media.READABLE[kind][0])
def test_noise_is_refused_as_unreadable(isolated_parser, media_type):
    with pytest.raises(UnreadableDocument):
        isolated_parser.parse(noise(5000), media_type, "noise")


@pytest.mark.parametrize("media_type", BINARY, ids=lambda kind: media.READABLE[kind][0])
def test_broken_files_never_harm_the_process_that_asks(isolated_parser, media_type):
    whole = MAKERS[media_type]()
    flipped = bytearray(whole)
    for position in range(len(whole) // 3, len(whole), 37):
        flipped[position] ^= 0x55
    for broken in (whole[: len(whole) // 2], whole[:40], bytes(flipped)):
        assert outcome(isolated_parser, media_type, broken)
    still_works(isolated_parser)


@pytest.mark.parametrize(
    ("media_type", "data", "phrase"),
    [
        (media.PDF, b"\x89PNG\r\n\x1a\n" + bytes(50), "is a PNG image"),
        (media.PDF, b"dear reader", "is plain text"),
        (media.DOCX, b"%PDF-1.4", "sent as .docx"),
        (media.TEXT, b"MZ\x90\x00" + bytes(80), "a Windows program"),
        (media.DOCX, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Office format"),
        (media.EML, b"just a note", "no mail"),
    ],
)
def test_a_mislabelled_file_is_refused_with_what_it_is(isolated_parser, media_type, data, phrase):
    with pytest.raises(UnreadableDocument, match=phrase):
        isolated_parser.parse(data, media_type, "mislabelled")


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        (media.TEXT, b" \n\t\r\n "),
        (media.HTML, b"<!doctype html><title></title><script>let a = 'b'</script>"),
        (media.CSV, b",,\n,,\n"),
        (media.JSON, b"{}"),
        (media.PDF, written([[]])),
        (media.EML, b"From: a@example.org\n\n"),
    ],
)
def test_a_file_without_text_is_an_empty_document(isolated_parser, media_type, data):
    with pytest.raises(EmptyDocument):
        isolated_parser.parse(data, media_type, "empty")


def test_a_type_that_nobody_reads_is_refused(isolated_parser):
    with pytest.raises(UnsupportedMedia, match="pdf, docx"):
        isolated_parser.parse(b"x", "image/gif", "photo.png")


def test_each_file_has_a_process_of_its_own_that_ends(isolated_parser):
    still_works(isolated_parser)
    assert fork_server_of(isolated_parser).children() == []


def test_a_fork_server_that_was_killed_is_replaced(isolated_parser):
    still_works(isolated_parser)
    server = fork_server_of(isolated_parser)
    server.kill()
    still_works(isolated_parser)
    assert fork_server_of(isolated_parser).pid != server.pid


def test_a_closed_parser_leaves_no_process_and_can_be_used_again():
    isolated_parser = IsolatedParser(Settings())
    server = fork_server_of(isolated_parser)
    isolated_parser.close()
    isolated_parser.close()
    assert not server.is_running()
    still_works(isolated_parser)
    isolated_parser.close()


def test_a_forked_process_gets_a_fork_server_of_its_own():
    with IsolatedParser(Settings()) as isolated_parser:
        still_works(isolated_parser)
        server = fork_server_of(isolated_parser)
        pid = os.fork()
        if pid == 0:
            try:
                still_works(isolated_parser)
                isolated_parser.close()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        still_works(isolated_parser)
        assert fork_server_of(isolated_parser).pid == server.pid


def test_nothing_outlives_an_owner_that_is_killed_while_a_file_is_read(tmp_path):
    media_type, data = pdf_bomb()
    bomb = tmp_path / "bomb.pdf"
    bomb.write_bytes(data)
    program = (
        "import sys, pathlib\n"
        "from rag.settings import Settings\n"
        "from rag.parsing.parser import IsolatedParser\n"
        "IsolatedParser(Settings()).parse(pathlib.Path(sys.argv[1]).read_bytes(), sys.argv[2], 'bomb')"
    )
    command = [sys.executable, "-c", program, str(bomb), media_type]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    owner = subprocess.Popen(command, env=environment)
    eventually(lambda: len(family_of(owner.pid)) == 2, seconds=30)
    family = family_of(owner.pid)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    eventually(lambda: not any(process.is_running() for process in family))


def test_the_parsing_process_knows_no_secrets(isolated_parser, monkeypatch):
    monkeypatch.setenv("GENERATOR_API_KEY", "secret")
    with IsolatedParser(Settings()) as other:
        try:
            assert "GENERATOR_API_KEY" not in fork_server_of(other).environ()
        except psutil.AccessDenied:  # as it is to everybody but root
            assert os.geteuid() != 0
