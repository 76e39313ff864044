"""URLs are read in one way, and told without what may be a secret."""

import time

import pytest

from rag.errors import InvalidRequest
from rag.fetching.description import clean, clean_name, described
from rag.fetching.order import Order, Service
from rag.fetching.own_services import own_services
from rag.fetching.urls import redacted, target_of
from rag.settings import Settings
from rag.web.charsets import codec_of, marked


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.com/a?X-Amz-Signature=s3cret", "https://example.com/a?…"),
        ("https://example.com/a#s3cret", "https://example.com/a?…"),
        ("https://user:s3cret@example.com:8443/a", "https://example.com:8443/a"),
        ("https://s3cret@example.com", "https://example.com/"),
        ("https://example.com/a", "https://example.com/a"),
        ("http://[s3cret", "(an address that cannot be read)"),
        ("s3cret", "(an address that cannot be read)"),
    ],
)
def test_a_url_is_told_without_user_and_query(url, told):
    assert redacted(url) == told


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/s3cret", "ftp://example.org/s3cret", "http://", "s3cret", "http://u:s3cret@example.org/",
        "http://s3cret@example.org/", "http://[s3cret", "http://a b/?s3cret", "http://a\x00b/?s3cret",
        "http://x:99999/?s3cret", "http://x:0/?s3cret", "http://1.2.3.4.5/?s3cret", "http://[fe80::1%25eth0]/?s3cret",
        "http://a%00b/?s3cret", "http://x/?s3cret" + "x" * 9000, "http://" + "a." * 150 + "org/?s3cret",
        "http://a..b/?s3cret", "http://a!b/?s3cret", "http://\ud800/?s3cret",
    ],
)  # fmt: skip
def test_what_is_not_fetched_is_refused_in_words_that_do_not_repeat_it(url):
    with pytest.raises(InvalidRequest) as caught:
        target_of(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "①②⑦.⓪.⓪.①", "0177.0.0.1", "127.0.0.1."])
def test_an_address_is_known_in_every_spelling(host):
    assert target_of(f"http://{host}:81/").authority == "127.0.0.1:81"


def test_a_path_cannot_break_out_of_its_line():
    target = target_of("http://example.com/a b\r\nX-Injected: 1?q= \r\n€")
    assert target.resource.isascii()
    assert target.resource.isprintable()
    assert " " not in target.resource


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b?c", "http://example.com/b"),
        ("//other.example/x", "http://other.example/x"),
        ("https://other.example", "https://other.example/"),
        ("?d", "http://example.com/a/"),
        ("ht\ttp://other.example/", "http://other.example/"),
    ],
)
def test_redirects_lead_where_their_location_says(location, leads_to):
    assert target_of("http://example.com/a/").joined(location).redacted == leads_to


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "gopher://x/_INFO", "http://a:b@x/", "/" + "x" * 9000, "http://[x"]
)
def test_redirects_elsewhere_are_refused(location):
    with pytest.raises(InvalidRequest):
        target_of("http://example.com/").joined(location)


def test_an_order_reads_as_it_was_written():
    order = Order("https://example.com/a?b", 10, 2.5, True, (Service("", 8910), Service("redis", 6379)))
    assert Order.unpacked(order.packed()) == order


@pytest.mark.parametrize(
    "label", ["punycode", "idna", "zlib", "hex", "rot13", "undefined", "unicode_escape", "mbcs", "base64", ""]
)
def test_codecs_that_are_no_encoding_of_text_are_unknown(label):
    assert codec_of(label) is None
    assert marked(bytearray(b"a-b"), label) == b"a-b"


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("windows-1251", "гавань"),
        ("Shift_JIS", "港"),
        ("gb2312", "港口"),
        ("EUC-KR", "항구"),
        ("big5", "港口"),
        ("iso-8859-7", "λιμάνι"),
    ],
)
def test_text_is_written_as_utf_8_whatever_piece_it_came_in(label, text):
    codec = codec_of(label)
    assert codec is not None
    long = text * 40_001  # so that pieces end within letters
    assert marked(bytearray(long.encode(codec)), label).decode("utf-8-sig") == long


def test_text_that_is_not_in_its_stated_encoding_stays_as_it_is():
    assert marked(bytearray(b"\xff\xff"), "euc-jp") == b"\xff\xff"


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("", None),
        ("...", None),
        ("/", None),
        ("a/b\\c.txt", "c.txt"),
        ("\x1b]0;x\x07.txt", "]0;x.txt"),
        ("\u202etxt.exe", "txt.exe"),
    ],
)
def test_names_are_cleaned(name, cleaned):
    assert clean_name(name) == cleaned


def test_phrases_are_short_and_printable():
    assert clean("\x1b[31mred\n\x9b" + "x" * 500) == "[31mred" + "x" * 70


def test_own_ports_are_known_from_the_settings():
    settings = Settings(
        redis_url="redis://:pw@redis.internal:6380/0",
        qdrant_url="https://q1,http://localhost:6333",
        ollama_url="http://[::1]:11434",
    )
    own = own_services(settings)
    wanted = {
        ("", 8910),
        ("", 5555),
        ("redis.internal", 6380),
        ("q1", 443),
        ("q1", 6334),
        ("", 6333),
        ("", 11434),
    }
    assert wanted <= {(service.host, service.port) for service in own}
    assert own_services(Settings()) == (Service("", 8910), Service("", 5555))


@pytest.mark.parametrize("header", [';a="', ";a=", '; a="\\', ";" + " " * 40, "=" * 5, ';a*=""', '"' * 3])
def test_no_header_takes_long_to_read(header):
    headers = {"content-disposition": header * 20_000, "content-type": "text/html;" + header * 20_000}
    began = time.process_time()

    about = described(target_of("http://example.com/" + "%2f" * 2_000), headers, bytearray(b"words"))

    assert about.media_type == "text/html"
    assert time.process_time() - began < 0.5
