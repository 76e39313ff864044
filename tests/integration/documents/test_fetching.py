"""Fetching from a real HTTP server on the loopback interface."""

import gzip
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from urllib.parse import quote, unquote

import psutil
import pytest
import trustme

from rag import media
from rag.errors import (
    DocumentTooLarge,
    InvalidRequest,
    NotFound,
    Overloaded,
    TimedOut,
    Unavailable,
    UnsupportedMedia,
)
from rag.fetching import Fetched, Order, fetch, process
from rag.fetching.addresses import Address
from rag.fetching.hops import Download, resolved
from rag.fetching.order import Service
from rag.fetching.urls import target_of
from tests.system.running import until

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
            name = path.strip("/").replace(".", "_").replace("%20", "_")
            getattr(self, f"_{name}", self._page)()

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
        self._answer(200, b"GIF89a" + bytes(9), {"Content-Type": "image/gif"})

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
            for _ in range(2000):
                self.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            return

    def _silent(self) -> None:
        time.sleep(60)

    def _query(self) -> str:
        return unquote(self.path.partition("?")[2])

    def _to_new(self) -> None:
        self._answer(302, b"", {"Location": f"http://new.example:{self._query().partition('=')[2]}/host"})

    def _named(self) -> None:
        stated = f'attachment; filename="{self._query()}"'.replace("\\", "\\\\")
        self._answer(200, b"words", {"Content-Disposition": stated.encode().decode("latin-1")})

    def _starred(self) -> None:
        query = self.path.partition("?")[2].replace("%27", "'")
        self._answer(200, b"words", {"Content-Disposition": f"attachment; filename*={query}"})

    def _charset(self) -> None:
        self._answer(200, b"a-b." * 100_000, {"Content-Type": f"text/plain; charset={self._query()}"})

    def _later(self) -> None:
        self._answer(503, b"", {"Retry-After": self._query().encode().decode("latin-1")})

    def _escaping(self) -> None:
        self.send_response(418, "\x1b]0;pwn\x07\x1b[31mRED")
        self.end_headers()

    def _packed_as(self) -> None:
        self._answer(200, gzip.compress(gzip.compress(b"words")), {"Content-Encoding": self._query()})

    def _half_packed(self) -> None:
        self._answer(200, gzip.compress(os.urandom(5000))[:2000], {"Content-Encoding": "gzip"})

    def _members(self) -> None:
        both = gzip.compress(b"one, ") + gzip.compress(b"two") + bytes(500)
        self._answer(200, both, {"Content-Encoding": "gzip", "Content-Type": "text/plain"})

    def _not_packed(self) -> None:
        self._answer(200, b"plain words", {"Content-Encoding": "gzip"})

    def _empty_packed(self) -> None:
        self._answer(200, b"", {"Content-Encoding": "gzip"})

    def _long_head(self) -> None:
        self._answer(200, b"words", {f"X-{n}": "x" * 100 for n in range(2000)})

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
def serving(tls: ssl.SSLContext | None = None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with serving() as url:
        yield url


def get(url: str, *, max_bytes: int = 1_000_000, allow_private: bool = True, timeout: float = 15) -> Fetched:
    return fetch(Order(url, max_bytes, timeout, allow_private))


def get_here(url: str, names: dict[str, list[list[str]]], *, allow_private: bool = True) -> Fetched:
    """In this process, where names have these addresses: the first list at the first question and so on."""

    def resolve(host: str) -> Sequence[Address]:
        return [ip_address(a) for a in names[host].pop(0)] if host in names else resolved(host)

    return Download(Order(url, 1_000_000, 15, allow_private), resolve).run()


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
    with pytest.raises(UnsupportedMedia, match="GIF"):
        get(f"{base}/photo")


@pytest.mark.parametrize("path", ["endless", "packed"])
def test_too_many_bytes_are_not_read_to_the_end(base, path):
    with pytest.raises(DocumentTooLarge, match=r"larger than 0\.1 MB"):
        get(f"{base}/{path}", max_bytes=100_000)


@pytest.mark.parametrize("path", ["slow", "silent"])
def test_a_document_that_does_not_arrive_in_time_is_transient(base, path):
    with pytest.raises(TimedOut):
        get(f"{base}/{path}", timeout=2)


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


def test_the_judged_address_is_asked_under_the_name(base):
    port = base.rpartition(":")[2]
    names = {"harbour.example": [["127.0.0.1"]]}  # a second question would fail
    assert get_here(f"http://harbour.example:{port}/host", names).data == f"harbour.example:{port}".encode()


def test_a_redirect_to_another_host_asks_for_it_by_its_own_name(base):
    port = base.rpartition(":")[2]
    names = {"old.example": [["127.0.0.1"]], "new.example": [["127.0.0.1"]]}
    fetched = get_here(f"http://old.example:{port}/to_new?port={port}", names)
    assert fetched.data == f"new.example:{port}".encode()


def test_the_default_port_is_not_in_the_host_header():
    assert target_of("http://harbour.example:80/a?b#c").authority == "harbour.example"
    assert target_of("https://harbour.example:8443/").authority == "harbour.example:8443"
    assert target_of("http://[::1]:81/").authority == "[::1]:81"


def test_a_redirect_inside_is_refused(base):
    with pytest.raises(InvalidRequest, match=r"169\.254\.169\.254 is not fetched from: .*metadata"):
        get(f"{base}/to_metadata")


@pytest.mark.parametrize("allow_private", [True, False])
def test_metadata_is_refused_even_where_private_addresses_are_allowed(allow_private):
    hosts = (
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "[fe80::1]",
    )
    for host in (*hosts, "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "2852039166", "0xa9fea9fe"):
        with pytest.raises(InvalidRequest, match="metadata"):
            get_here(f"http://{host}/latest", {}, allow_private=allow_private)


def test_the_inner_ones_of_several_addresses_are_never_asked(base):
    port = base.rpartition(":")[2]
    with pytest.raises(InvalidRequest, match="private network"):
        get_here(
            f"http://mixed.example:{port}/page",
            {"mixed.example": [["127.0.0.1", "10.0.0.1"]]},
            allow_private=False,
        )


def test_an_address_that_does_not_answer_gives_way_to_the_next(base):
    port = base.rpartition(":")[2]
    names = {"two.example": [["127.9.9.9", "127.0.0.1"]]}
    assert get_here(f"http://two.example:{port}/page", names).data == PAGE


def test_an_unknown_host_is_named():
    with pytest.raises((InvalidRequest, Unavailable), match=r"nowhere\.invalid cannot be found"):
        get("http://nowhere.invalid/")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "harbour.example"])
def test_a_port_of_this_installation_is_never_fetched_from(base, host):
    port = int(base.rpartition(":")[2])
    for service in (Service("", port), Service("harbour.example", port)):
        order = Order(f"http://{host}:{port}/page", 1_000_000, 15, True, (service,))
        download = Download(order, lambda name: [ip_address("127.0.0.1")] if "." in name else resolved(name))
        with pytest.raises(InvalidRequest, match="part of this installation"):
            download.run()


def test_another_port_of_this_machine_is_fetched_from(base):
    order = Order(f"{base}/page", 1_000_000, 15, True, own=(Service("", 1),))
    assert fetch(order).data == PAGE


def test_a_redirect_out_of_tls_is_not_followed():
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    with serving(server) as url:
        assert Download(Order(f"{url}/page", 10_000, 15, True), tls=client).run().data == PAGE
        with pytest.raises(InvalidRequest, match="from https:// to http://"):
            Download(Order(f"{url}/to_new?port=1", 10_000, 15, True), tls=client).run()
        with pytest.raises(InvalidRequest, match="no valid certificate"):
            get(f"{url}/page")


@pytest.mark.parametrize(
    ("path", "filename"),
    [
        ("named?../../etc/x\x1b[31m\u202e.txt", "x[31m.txt"),
        ("named?C:\\temp\\plan.txt", "plan.txt"),
        ("named?" + "n" * 190 + "ame.txt", "n" * 190 + "ame.txt"),
        ("named?" + "n" * 700 + ".txt", "n" * 196 + ".txt"),
        ("starred?UTF-8''%e2%82%ac%1b.txt", "€.txt"),
        ("starred?punycode''a-b.txt", "starred"),
        ("starred?windows-1251''%e3%e0%e2%e0%ed%fc.txt", "гавань.txt"),
        ("starred?UTF-8''..%2f..%2fetc%2fpasswd%0a%e2%80%ae.txt", "passwd.txt"),
        ("named?=?utf-8?B?4oKsLnR4dA==?=", "€.txt"),
        ("named?=?utf-8?Q?=2e=2e=2fetc=2fx=0a=1b.txt?=", "x.txt"),
        ("a%2f..%2f%1b%00b.txt", "b.txt"),
    ],
)
def test_names_are_one_printable_part_of_a_path(base, path, filename):
    asked = quote(path, safe="/?%'")
    assert get_here(f"{base}/{asked}", {}).filename == filename


@pytest.mark.parametrize(
    "charset",
    ["punycode", "idna", "undefined", "zlib", "unicode_escape", "raw_unicode_escape", "hex", "x" * 900],
)
def test_only_encodings_of_text_are_decoded_by(base, charset):
    started = time.monotonic()
    assert get(f"{base}/charset?{charset}").data == b"a-b." * 100_000
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("later", "seconds"),
    [("9" * 5000, 3600), ("Mon, 01 Jan 0100 00:00:00 -9999", None), ("-5", None), ("٣", None)],
)
def test_however_odd_the_time_to_come_again_is_it_is_bounded(base, later, seconds):
    with pytest.raises(Unavailable) as caught:
        get_here(f"{base}/later?{quote(later)}", {})
    assert caught.value.retry_after in (seconds, 0.0 if seconds is None else seconds)


def test_a_reason_cannot_speak_to_a_terminal(base):
    with pytest.raises(InvalidRequest) as caught:
        get(f"{base}/escaping")
    assert str(caught.value).isprintable()
    assert "RED" in str(caught.value)


@pytest.mark.parametrize(
    "path", ["page", "status/404", "status/503", "photo", "torn", "hop/9", "to_file", "slow"]
)
def test_what_a_query_says_is_never_told(base, path):
    try:
        told = str(get(f"{base}/{path}?signature=s3cret#s3cret", timeout=2))
    except (InvalidRequest, NotFound, UnsupportedMedia, Unavailable, TimedOut) as error:
        told = str(error)
    assert "s3cret" not in told


@pytest.mark.parametrize("packing", ["gzip, gzip", "br", "deflate", "gzip,gzip", ",".join(["gzip"] * 900)])
def test_another_packing_than_one_layer_of_gzip_is_refused(base, packing):
    with pytest.raises(InvalidRequest, match="only gzip"):
        get_here(f"{base}/packed_as?{quote(packing)}", {})


def test_a_packed_document_that_broke_off_is_transient(base):
    with pytest.raises(Unavailable):
        get(f"{base}/half_packed")


def test_a_document_that_is_not_packed_as_it_says_is_transient(base):
    with pytest.raises(Unavailable, match="decompressing"):
        get(f"{base}/not_packed")


def test_an_empty_document_may_count_as_packed(base):
    assert get_here(f"{base}/empty_packed", {}).data == b""


def test_members_of_a_packed_document_follow_one_another(base):
    assert get(f"{base}/members").data == b"one, two"


def test_a_head_that_is_too_long_is_refused(base):
    with pytest.raises((InvalidRequest, Unavailable)):
        get_here(f"{base}/long_head", {})


def fetching_children() -> list[psutil.Process]:
    return [
        p for p in psutil.Process().children(recursive=True) if "rag.fetching.child" in " ".join(p.cmdline())
    ]


def test_the_process_knows_neither_secrets_nor_shows_the_url(base, monkeypatch):
    monkeypatch.setenv("GENERATOR_API_KEY", "s3cret")
    seen: list[str] = []

    def look() -> bool:
        seen.extend(f"{each.cmdline()} {each.environ()}" for each in fetching_children())
        return not seen

    with pytest.raises(TimedOut, match="Nobody waits"):
        fetch(Order(f"{base}/silent?signature=s3cret", 1000, 30, True), wanted=look)
    assert seen
    assert "s3cret" not in seen[0]
    assert not fetching_children()


def test_a_fetch_that_nobody_wants_any_more_ends_soon(base):
    started = time.monotonic()
    with pytest.raises(TimedOut, match="Nobody waits"):
        fetch(Order(f"{base}/silent", 1000, 60, True), wanted=lambda: False)
    assert time.monotonic() - started < 5
    assert not fetching_children()


def test_no_process_outlives_its_owner(base):
    pid = os.fork()
    if pid == 0:
        try:
            get(f"{base}/silent", timeout=60)
        finally:
            os._exit(0)
    owner = psutil.Process(pid)
    until(owner.children, 30)
    (child,) = owner.children()
    owner.kill()
    os.waitpid(pid, 0)
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10)


def test_an_answer_that_is_none_is_transient(base, monkeypatch):
    monkeypatch.setattr(process.sys, "executable", "/bin/true")
    with pytest.raises(Unavailable, match="without an answer"):
        get(f"{base}/page")
