"""Whatever the process that fetches writes, its reader gets a bounded document or a bounded error."""

import json

import pytest

from rag.errors import AegisError, InvalidRequest, NotFound, Overloaded, Unavailable
from rag.fetching import Fetched, wire


def line(**fields: object) -> bytearray:
    return bytearray(json.dumps(fields).encode() + b"\nwords")


def test_a_document_is_heard_as_it_was_told():
    fetched = Fetched(b"one\ntwo", "a.txt", "text/plain", "https://example.com/a.txt")
    assert wire.unpacked(bytearray(wire.header(fetched) + fetched.data)) == fetched


@pytest.mark.parametrize(
    "error", [NotFound("gone"), InvalidRequest("no"), Overloaded("later", retry_after=7)]
)
def test_an_error_is_heard_as_it_was_told(error):
    with pytest.raises(type(error), match=str(error)) as caught:
        wire.unpacked(bytearray(wire.refusal(error)))
    assert getattr(caught.value, "retry_after", None) == getattr(error, "retry_after", None)


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\n", b"words", b"[]\n", b"5\n", b"null\n", b'"error"\n', b"{}\n", b"\xff\n",
        b"[" * 9000 + b"\n",
        b" " * 100_000 + b"{}\n", line(filename=None, media_type="text/plain"),
        line(filename=[1], media_type=[2], url=[3]), line(filename=None, media_type="image/gif", url="x"),
        line(error="not-found"), line(error=["x"], message=[1], retry_after=[2]),
        line(error="internal-error", message={"a": 1}, retry_after=float("nan")),
    ],
)  # fmt: skip
def test_nonsense_is_transient(answer):
    with pytest.raises(Unavailable):
        wire.unpacked(bytearray(answer))


@pytest.mark.parametrize("later", [float("inf"), float("nan"), -1, 10**30, "7", None, [1]])
def test_an_unbounded_time_is_none(later):
    with pytest.raises(Unavailable) as caught:
        wire.unpacked(line(error="unavailable", message="x", retry_after=later))
    assert caught.value.retry_after is None


def test_what_is_told_is_printable_and_short():
    url = "http://x/\x1b[31m" + "x" * 5000
    heard = wire.unpacked(line(filename="../../a\x1b.txt", media_type="text/plain", url=url))
    assert (heard.filename, heard.data) == ("a.txt", b"words")
    assert heard.url.isprintable()
    assert len(heard.url) <= 400
    with pytest.raises(AegisError) as caught:
        wire.unpacked(line(error="not-found", message="\x1b]0;x\x07" + "y" * 5000, retry_after=None))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 1000
