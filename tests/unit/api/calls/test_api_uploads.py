"""From a request's body to an ingestion."""

import io
from hashlib import sha256

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import FormData, Headers, UploadFile

from api.calls.uploads import Received, from_form, from_json
from api.incoming.receiving import MIB
from rag.errors import DocumentTooLarge, InvalidRequest, UnsupportedMedia
from rag.settings import Settings
from tasks.submit.submissions import Link, Text, Upload

SETTINGS = Settings(collection_name="home", max_upload_mb=1)


def file(data: bytes, name: str = "a.md", declared: str = "application/octet-stream") -> UploadFile:
    headers = Headers({"content-type": declared})
    return UploadFile(io.BytesIO(data), size=len(data), filename=name, headers=headers)


def form(*items: tuple[str, str | UploadFile]) -> Received:
    return from_form(FormData(items), SETTINGS)


def json_(body: bytes) -> Received:
    with from_json(io.BytesIO(body), SETTINGS) as received:
        return received


def test_a_file_with_its_fields():
    received = form(
        ("file", file(b"# Hello")),
        ("document_id", "a/b"),
        ("title", "T"),
        ("metadata", '{"n": 1}'),
        ("collection", ""),
    )

    ingestion = received.ingestion
    assert isinstance(ingestion.source, Upload)
    assert ingestion.source.file.read() == b"# Hello"
    assert ingestion.source.sha256 == sha256(b"# Hello").hexdigest()
    assert (ingestion.source.size, ingestion.source.filename) == (7, "a.md")
    assert ingestion.source.media_type == "text/markdown"
    assert (ingestion.collection, ingestion.document_id, ingestion.title) == ("home", "a/b", "T")
    assert ingestion.metadata == {"n": 1}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/a.md", "a.md"),
        ("C:\\docs\\a.md", "a.md"),
        ("a\x00\n.md", "a.md"),
        ("x" * 300 + ".md", "x" * 252 + ".md"),
    ],
)
def test_a_filename_is_a_name_and_no_path(sent, kept):
    source = form(("file", file(b"hello", sent))).ingestion.source

    assert isinstance(source, Upload)
    assert source.filename == kept


@pytest.mark.parametrize(
    ("sent", "document_id"), [("a.md", "a.md"), ("guides/a.md", "guides/a.md"), ("/tmp/a.md", "a.md")]
)
def test_a_file_without_an_id_has_its_name(sent, document_id):
    assert form(("file", file(b"hello", sent))).ingestion.document_id == document_id
    assert form(("file", file(b"hello", sent)), ("document_id", "own")).ingestion.document_id == "own"


def test_another_path_is_another_body():
    bodies = [form(("file", file(b"x", name))).body for name in ("a.md", "x/a.md", "y/a.md", "x/a.md")]

    assert bodies[1] == bodies[3]
    assert bodies[0] != bodies[1] != bodies[2] != bodies[0]


def test_what_becomes_of_a_document_that_is_there():
    plain = form(("file", file(b"x")))
    kept = form(("file", file(b"x")), ("on_conflict", "keep"))

    assert [plain.ingestion.keep, kept.ingestion.keep] == [False, True]
    assert plain.on_conflict("keep").body == kept.on_conflict("keep").body == kept.body
    assert plain.on_conflict("keep").ingestion.keep
    assert plain.on_conflict(None) is plain
    assert json_(b'{"text": "a", "document_id": "d", "on_conflict": "keep"}').ingestion.keep
    with pytest.raises(InvalidRequest):
        kept.on_conflict("replace")
    with pytest.raises(RequestValidationError):
        form(("file", file(b"x")), ("on_conflict", "rename"))


def test_text_and_url():
    text = json_(b'{"text": "Hello"}').ingestion
    link = json_(b'{"url": "https://example.com/a", "collection": "c"}').ingestion

    assert text.source == Text("Hello")
    assert link.source == Link("https://example.com/a")
    assert link.collection == "c"


@pytest.mark.parametrize("body", [b"{}", b'{"text": "a", "url": "https://example.com"}', b'{"title": "a"}'])
def test_exactly_one_source(body):
    with pytest.raises(InvalidRequest):
        json_(body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'"x"', b"\xff", b'{"text": 5}', b'{"metadata": {"a": NaN}}', b"[" * 9999]
)
def test_what_is_no_document_is_refused(body):
    with pytest.raises(RequestValidationError):
        json_(body)


@pytest.mark.parametrize(
    "items",
    [
        [("file", "just text")],
        [("file", file(b""))],
        [("file", file(b"a")), ("file", file(b"b"))],
        [("other", file(b"a"))],
        [("file", file(b"a")), ("text", "b")],
        [("file", file(b"a")), ("title", "a"), ("title", "b")],
        [("file", file(b"a")), ("metadata", "{")],
        [("file", file(b"a")), ("metadata", "[" * 99_999)],
        [],
    ],
)
def test_wrong_forms_are_refused(items):
    with pytest.raises(InvalidRequest):
        form(*items)


@pytest.mark.parametrize(
    "items", [[("file", file(b"a")), ("colection", "x")], [("text", "a"), ("metadata", "[1]")]]
)
def test_wrong_fields_of_a_form_are_named(items):
    with pytest.raises(RequestValidationError) as caught:
        form(*items)

    assert caught.value.errors()[0]["loc"][0] == "body"


def test_an_unreadable_type_is_refused():
    with pytest.raises(UnsupportedMedia):
        form(("file", file(b"GIF89a" + bytes(100), "a.gif", "image/gif")))


@pytest.mark.parametrize("size", [MIB + 1, 2 * MIB])
def test_what_is_over_the_limit_is_refused(size):
    with pytest.raises(DocumentTooLarge):
        form(("file", file(b"x" * size, "a.txt")))
    with pytest.raises(DocumentTooLarge):
        json_(b'{"text": "' + b"x" * size + b'"}')


def test_the_same_form_in_another_order_is_the_same_body():
    one = form(("file", file(b"x")), ("title", "T"))
    other = form(("title", "T"), ("file", file(b"x")))
    third = form(("title", "T"), ("file", file(b"y")))

    assert one.body == other.body != third.body
