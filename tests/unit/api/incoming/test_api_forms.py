"""Forms as real clients send them, and bodies made to be dear to take apart."""

import io
import time
from contextlib import nullcontext, suppress

import httpx
import pytest
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from api.incoming.multipart import MOST_FIELD, MOST_FILES, MOST_HEADERS, MOST_PARTS, parameters, parsed_form

TYPE = "multipart/form-data; boundary=B"
MIB = 1 << 20
DISPOSITION = b'Content-Disposition: form-data; name="%s"'
CURL = (
    b"--------------------------d74496d66958873e\r\n"
    b'Content-Disposition: form-data; name="title"\r\n\r\nVPN\r\n'
    b"--------------------------d74496d66958873e\r\n"
    b'Content-Disposition: form-data; name="file"; filename="a \\"b\\" \\\\c.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nline\n\r\nend\r\n"
    b"--------------------------d74496d66958873e--\r\n"
)
FIREFOX = (
    b"------geckoformboundary5e2a\r\n"
    b'Content-Disposition: form-data; name="file"; filename="caf\xc3\xa9%22.md"\r\n'
    b"Content-Type: text/markdown\r\n\r\n\r\n--geckoform\r\n------geckoformboundary5e2\r\n\r\n"
    b"------geckoformboundary5e2a--\r\n"
)


def parsed(body: bytes, content_type: str = TYPE) -> list[tuple[str, str | tuple[str | None, bytes]]]:
    with parsed_form(io.BytesIO(body), content_type) as form:
        return [
            (name, (value.filename, value.file.read()) if isinstance(value, UploadFile) else value)
            for name, value in form.multi_items()
        ]


def field(name: bytes, value: bytes, more: bytes = b"") -> bytes:
    return b"--B\r\n" + DISPOSITION % name + more + b"\r\n\r\n" + value + b"\r\n"


@pytest.mark.parametrize(
    ("content_type", "body", "items"),
    [
        (
            "multipart/form-data; boundary=------------------------d74496d66958873e",
            CURL,
            [("title", "VPN"), ("file", ('a "b" \\c.txt', b"line\n\r\nend"))],
        ),
        (
            'Multipart/Form-Data; charset=utf-8; Boundary="----geckoformboundary5e2a"',
            FIREFOX,
            [("file", ('café".md', b"\r\n--geckoform\r\n------geckoformboundary5e2\r\n"))],
        ),
        (TYPE, field(b"a", b"") + b"--B--", [("a", "")]),
        (TYPE, b"preamble\r\n" + field(b"a", b"1") + b"--B--\r\nepilogue\r\n--B\r\n", [("a", "1")]),
        (TYPE, b"--B \t \r\n" + DISPOSITION % b"a" + b"\r\n\r\n1\r\n--B--  ", [("a", "1")]),
        (TYPE, field(b"a", b"1", b"; filename*=utf-8''caf%C3%A9") + b"--B--", [("a", ("café", b"1"))]),
        (
            TYPE,
            field(b"a", b"1", b"; filename*0*=utf-8''caf%C3; filename*1*=%A9") + b"--B--",
            [("a", ("café", b"1"))],
        ),
        (TYPE, field(b"a", b"1", b'; filename="=?utf-8?B?Y2Fmw6k=?="') + b"--B--", [("a", ("café", b"1"))]),
        (TYPE, field(b"a", b"1", b'; filename="a%0D%0Ab"') + b"--B--", [("a", ("a\r\nb", b"1"))]),
        (TYPE, field(b"a", b"1", b"; filename=\"x;y\"; filename*=x''z") + b"--B--", [("a", ("x;y", b"1"))]),
        (TYPE, field(b"a", b"1", b'; filename="C:\\docs\\x"') + b"--B--", [("a", ("C:\\docs\\x", b"1"))]),
        (TYPE, field(b"a", b"\xff") + b"--B--", [("a", "\xff")]),
        (TYPE, b"--B--\r\n", []),
    ],
)
def test_forms_of_real_clients(content_type, body, items):
    assert parsed(body, content_type) == items


@pytest.mark.parametrize("size", [0, 1, 65_530, 65_536, 65_537, 3 * 65_536])
def test_a_file_comes_out_as_it_went_in_wherever_a_piece_ends(size):
    content = (b"\r\n--" * size)[:size]
    request = httpx.Request("POST", "http://x", files={"file": ("ü.bin", content)}, data={"title": "T"})

    items = parsed(request.read(), request.headers["content-type"])

    assert items == [("title", "T"), ("file", ("ü.bin", content))]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--",
        b"no form",
        b"--B",
        b"--B\r\n",
        field(b"a", b"1"),
        field(b"a", b"1") + b"--B-",
        b"--B\r\n\r\n1\r\n--B--",
        b"--B\r\nno header\r\n\r\n1\r\n--B--",
        b"--B\r\n: a\r\n\r\n1\r\n--B--",
        b"--B\r\nContent-Disposition: form-data\r\n folded: a\r\n\r\n1\r\n--B--",
        field(b"a", b"1", b"; filename") + b"--B--",
        field(b"a", b"1\r\n--Bx") + b"--B--",
        b"--B" + b" " * 2000 + b"\r\n",
        field(b"a", b"1", b"\r\nX: " + b"x" * MOST_HEADERS) + b"--B--",
        b"--B\r\n" + b"x" * 65_536,
        field(b"a", b"1") * (MOST_PARTS + 1) + b"--B--",
        field(b"a", b"1", b'; filename="x"') * (MOST_FILES + 1) + b"--B--",
    ],
)
def test_what_is_no_form_or_too_much_is_refused(body):
    with pytest.raises(HTTPException) as caught:
        parsed(body)

    assert caught.value.status_code == 400


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "b" * 71, TYPE + '; a="']
)
def test_a_type_without_a_boundary_is_refused(content_type):
    with pytest.raises(HTTPException):
        parsed(field(b"a", b"1") + b"--B--", content_type)


def test_a_field_has_a_bound():
    assert parsed(field(b"a", b"x" * MOST_FIELD) + b"--B--") == [("a", "x" * MOST_FIELD)]
    with pytest.raises(HTTPException) as caught:
        parsed(field(b"a", b"x" * (MOST_FIELD + 1)) + b"--B--")
    assert caught.value.status_code == 413


class Reads(io.BytesIO):
    """Counts what is asked of it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        self.count += 1
        return super().read(size)


@pytest.mark.parametrize("near", [b"\r\n--Bx", b"\r\n--Ax", b"\r\n--", b"\r", b"\r\n", b"\r\n--\r\n--B "])
def test_lines_that_nearly_are_boundaries_cost_what_others_cost(near):
    """Refused at the first or taken as they are, by steps of 64 KiB and not of a line."""
    size = 2 * MIB
    content = near * (size // len(near))
    body = Reads(field(b"file", content, b'; filename="x"') + b"--B--")
    refused = pytest.raises(HTTPException) if b"\r\n--B" in content else nullcontext()

    began = time.process_time()
    with refused, parsed_form(body, TYPE) as form:
        assert form["file"].size == len(content)

    assert body.count <= size / 65_536 + 2
    assert time.process_time() - began < 0.3  # it was 0.9


@pytest.mark.parametrize("text", [b";" * 32_000, b'";' * 16_000, b";a=" * 10_000, b';a="\\"' * 5_000])
def test_parameters_take_linear_time(text):
    began = time.process_time()
    with suppress(HTTPException):
        parameters(b'form-data; name="' + text)

    assert time.process_time() - began < 0.1  # it was 0.3
