"""JSON is weighed before it is parsed, and a long string is taken out of it."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.incoming import jsontext
from api.incoming.jsontext import DEEPEST, LONG, MOST_STRUCTURE, Scanner, TooMuch, content, scan

ODD = st.text(st.sampled_from('a"\\/\n\x7f é漢😀u0{}[],:'), max_size=80)


def in_pieces(document: bytes, size: int, long: io.BytesIO) -> Scanner:
    scanner = Scanner(long)
    for at in range(0, len(document), size):
        scanner.feed(document[at : at + size])
    return scanner


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@given(text=ODD, fact=ODD, size=st.integers(1, 9), ascii_=st.booleans())
def test_what_is_weighed_is_parsed_as_ever(text, fact, size, ascii_):
    sent = {"text": text, "metadata": {fact: [fact, {}, [1, None]]}}

    scanner = in_pieces(json.dumps(sent, ensure_ascii=ascii_).encode(), size, io.BytesIO())

    assert json.loads(bytes(scanner.structure)) == sent
    assert scanner.placeholder is None


@given(text=ODD, size=st.integers(1, 9), ascii_=st.booleans())
def test_a_long_string_comes_back_as_it_was(text, size, ascii_):
    text = "é\\" * LONG + text
    long = io.BytesIO()

    scanner = in_pieces(json.dumps({"text": text, "n": 1}, ensure_ascii=ascii_).encode(), size * 9999, long)

    long.seek(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsontext, "PIECE", size * 1001)
        assert "".join(content(long)) == text
    assert json.loads(bytes(scanner.structure)) == {"text": scanner.placeholder, "n": 1}
    assert len(scanner.structure) < 100


@pytest.mark.parametrize(
    "sent",
    [
        nested(DEEPEST + 1),
        b"[" * 10_000_000,
        b'{"a":[' + b"{}," * MOST_STRUCTURE,
        b'{"a":"' + b"x" * MOST_STRUCTURE + b'","b":"' + b"x" * MOST_STRUCTURE,
        b'"a",' * MOST_STRUCTURE,
    ],
)
def test_what_is_too_deep_or_too_much_is_refused(sent):
    with pytest.raises(TooMuch):
        scan(io.BytesIO(sent), io.BytesIO())


def test_only_a_document_may_have_a_long_string():
    with pytest.raises(TooMuch):
        scan(io.BytesIO(b'"' + b"x" * (LONG + 1) + b'"'), None)


def test_braces_within_strings_are_no_structure():
    sent = json.dumps({"a": '[{"' * 5000}).encode()

    assert bytes(scan(io.BytesIO(sent), None).structure) == sent
    assert bytes(scan(io.BytesIO(nested(DEEPEST)), None).structure) == nested(DEEPEST)


@pytest.mark.parametrize("written", [rb"\ud83d", rb"\ude00", rb"\ud83dx", b"\xff", b"\n", rb"\x", rb"\u12"])
def test_what_is_no_string_is_refused(written):
    with pytest.raises(ValueError):  # noqa: PT011 - of which kind, its callers do not mind
        list(content(io.BytesIO(b"a" * 70_000 + written)))
