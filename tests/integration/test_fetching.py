"""Fetching from a real HTTP server on the loopback interface."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rag import fetching, media
from rag.errors import (
    DocumentTooLarge,
    InvalidRequest,
    NotFound,
    Overloaded,
    TimedOut,
    Unavailable,
    UnsupportedMedia,
)
from rag.fetching import Fetched, fetch

PAGE = b"<!doctype html><h1>Harbour</h1>"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/status/"):
            self._answer(int(path.split("/")[2]), b"no", {"Retry-After": "7"})
        elif path.startswith("/hop/"):
            left = int(path.split("/")[2])
            self._answer(302, b"", {"Location": f"/hop/{left - 1}" if left else "/page"})
        else:
            getattr(self, f"_{path.strip('/').replace('.', '_').replace('%20', '_')}")()

    def _page(self) -> None:
        self._answer(200, PAGE, {"Content-Type": "text/html; charset=utf-8"})

    def _README_md(self) -> None:  # noqa: N802 - named by the path
        self._answer(200, b"# Harbour", {"Content-Type": "text/plain"})

    def _rendered_md(self) -> None:
        self._answer(200, PAGE, {"Content-Type": "text/html"})

    def _my_report_pdf(self) -> None:
        self._answer(200, b"%PDF-1.7", {"Content-Type": "application/octet-stream"})

    def _download(self) -> None:
        self._answer(200, b"a,b", {"Content-Disposition": 'attachment; filename="table.csv"'})

    def _cyrillic(self) -> None:
        self._answer(200, "<p>гавань".encode("cp1251"), {"Content-Type": "text/html; charset=windows-1251"})

    def _photo(self) -> None:
        self._answer(200, b"\x89PNG\r\n\x1a\n", {"Content-Type": "image/png"})

    def _packed(self) -> None:
        self._answer(200, gzip.compress(bytes(5_000_000)), {"Content-Encoding": "gzip"})

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 10_000)
        except OSError:
            return

    def _slow(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(200):
                self.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            return

    def _silent(self) -> None:
        time.sleep(1)

    def _torn(self) -> None:
        self._answer(200, b"only this", {"Content-Length": "500"})

    def _host(self) -> None:
        self._answer(200, self.headers["Host"].encode(), {"Content-Type": "text/plain"})

    def _to_metadata(self) -> None:
        self._answer(302, b"", {"Location": "http://169.254.169.254/latest/meta-data"})

    def _to_file(self) -> None:
        self._answer(302, b"", {"Location": "file:///etc/passwd"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with serving() as url:
        yield url


def get(url: str, *, max_bytes: int = 1_000_000, allow_private: bool = True, timeout: float = 5) -> Fetched:
    return fetch(url, max_bytes=max_bytes, allow_private=allow_private, timeout=timeout)


def test_a_page_comes_with_its_type_and_address(base):
    assert get(f"{base}/page") == Fetched(PAGE, "page", media.HTML, f"{base}/page")


@pytest.mark.parametrize(
    ("path", "filename", "media_type"),
    [
        ("README.md?raw=1", "README.md", media.MARKDOWN),
        ("rendered.md", "rendered.md", media.HTML),
        ("my%20report.pdf", "my report.pdf", media.PDF),
        ("download", "table.csv", media.CSV),
    ],
)
def test_names_and_types_come_from_whoever_knows_best(base, path, filename, media_type):
    fetched = get(f"{base}/{path}")
    assert (fetched.filename, fetched.media_type) == (filename, media_type)


def test_a_stated_encoding_is_honoured(base):
    assert "гавань" in get(f"{base}/cyrillic").data.decode("utf-8-sig")


def test_redirects_are_followed_to_where_the_document_is(base):
    assert get(f"{base}/hop/3").url == f"{base}/page"


def test_endless_redirects_are_given_up(base):
    with pytest.raises(InvalidRequest, match="more than 5 redirects"):
        get(f"{base}/hop/9")


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, NotFound), (410, NotFound), (401, InvalidRequest), (403, InvalidRequest), (418, InvalidRequest)],
)
def test_a_refusal_is_final_and_names_the_status(base, status, error):
    with pytest.raises(error, match=str(status)):
        get(f"{base}/status/{status}")


@pytest.mark.parametrize(("status", "error"), [(500, Unavailable), (503, Unavailable), (429, Overloaded)])
def test_trouble_over_there_is_transient_and_says_when(base, status, error):
    with pytest.raises(error, match=str(status)) as caught:
        get(f"{base}/status/{status}")
    assert caught.value.retry_after == 7


def test_a_type_that_nobody_reads_is_refused(base):
    with pytest.raises(UnsupportedMedia, match="PNG"):
        get(f"{base}/photo")


@pytest.mark.parametrize("path", ["endless", "packed"])
def test_too_many_bytes_are_not_read_to_the_end(base, path):
    with pytest.raises(DocumentTooLarge, match=r"larger than 0\.1 MB"):
        get(f"{base}/{path}", max_bytes=100_000)


@pytest.mark.parametrize("path", ["slow", "silent"])
def test_a_document_that_does_not_arrive_in_time_is_transient(base, path):
    with pytest.raises(TimedOut):
        get(f"{base}/{path}", timeout=0.3)


def test_a_torn_connection_is_transient(base):
    with pytest.raises(Unavailable):
        get(f"{base}/torn")


def test_nobody_listening_is_transient():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unavailable):
        get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1"])
def test_addresses_inside_are_refused_in_every_spelling(base, host):
    port = base.rpartition(":")[2]
    with pytest.raises(InvalidRequest, match="private network"):
        get(f"http://{host}:{port}/page", allow_private=False)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://example.org/x", "http://", "page", "http://u:p@example.org/", "http://[x"],
)
def test_other_urls_are_refused(url):
    with pytest.raises(InvalidRequest):
        get(url)


def test_a_redirect_to_another_scheme_is_refused(base):
    with pytest.raises(InvalidRequest, match="https://"):
        get(f"{base}/to_file")


def resolving(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[list[str]]]) -> None:
    """Have names resolve to these addresses, the first list at the first question and so on."""
    real = socket.getaddrinfo

    def answer(host: str, port: object, *arguments: object, **options: object) -> object:
        if host not in names:
            return real(host, port, *arguments, **options)
        addresses = names[host].pop(0)
        return [entry for address in addresses for entry in real(address, port, *arguments, **options)]

    monkeypatch.setattr(fetching.socket, "getaddrinfo", answer)


def test_the_judged_address_is_asked_under_the_name(base, monkeypatch):
    port = base.rpartition(":")[2]
    resolving(monkeypatch, {"harbour.example": [["127.0.0.1"]]})  # a second question would fail
    assert get(f"http://harbour.example:{port}/host").data == f"harbour.example:{port}".encode()


def test_a_redirect_inside_is_refused(base, monkeypatch):
    monkeypatch.setattr(fetching, "is_public", lambda address: str(address) == "127.0.0.1")
    with pytest.raises(InvalidRequest, match=r"169\.254\.169\.254 is inside a private network"):
        get(f"{base}/to_metadata", allow_private=False)


def test_the_inner_ones_of_several_addresses_are_never_asked(base, monkeypatch):
    port = base.rpartition(":")[2]
    resolving(monkeypatch, {"mixed.example": [["127.0.0.1", "10.0.0.1"]]})
    with pytest.raises(InvalidRequest, match="private network"):
        get(f"http://mixed.example:{port}/page", allow_private=False)


def test_an_address_that_does_not_answer_gives_way_to_the_next(base, monkeypatch):
    port = base.rpartition(":")[2]
    resolving(monkeypatch, {"two.example": [["127.9.9.9", "127.0.0.1"]]})
    assert get(f"http://two.example:{port}/page").data == PAGE


def test_an_unknown_host_is_named(monkeypatch):
    def nobody(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(fetching.socket, "getaddrinfo", nobody)
    with pytest.raises(InvalidRequest, match=r"nowhere\.example cannot be found"):
        get("http://nowhere.example/")
