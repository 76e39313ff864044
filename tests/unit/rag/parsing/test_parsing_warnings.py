"""What of a file was not read is counted and named."""

import zipfile
from base64 import b64encode
from io import BytesIO

import pytest
from PIL import Image

from rag import media
from rag.errors import EmptyDocument
from rag.model import ReadingWarning
from rag.parsing.formats import parse
from rag.parsing.warnings import LONGEST_WARNING, attachments_not_read, pages_not_read
from tests.documents import office
from tests.documents.page import Line, written
from tests.documents.pictured import SHOT
from tests.documents.scans import encoded

MOST_TEXT = 1 << 20
WORDS: list[Line] = [(72, 720, 12, "The harbour bell rings twice at noon.")]
BOX = "0 0 100 100 re f"


def warnings_of(data: bytes, media_type: str) -> list[ReadingWarning]:
    return list(parse(data, media_type, MOST_TEXT).warnings)


def test_pages_that_only_show_something_are_named_and_blank_ones_are_not() -> None:
    pdf = written([WORDS, [], [], WORDS, []], drawn={2: BOX, 3: BOX})

    (warning,) = warnings_of(pdf, media.PDF)

    assert (warning.kind, warning.count) == ("pages", 2)
    assert warning.text.startswith("pages 2-3 were not read")


def test_a_pdf_of_such_pages_alone_is_empty() -> None:
    with pytest.raises(EmptyDocument):
        parse(written([[], []], drawn={1: BOX}), media.PDF, MOST_TEXT)


def test_pictures_of_a_docx_are_counted_without_icons() -> None:
    document = BytesIO(office.docx())
    with zipfile.ZipFile(document, "a") as archive:
        archive.writestr("word/media/image1.png", SHOT)
        archive.writestr("word/media/image2.JPEG", encoded(Image.new("L", (300, 200)), "JPEG"))
        archive.writestr("word/media/image3.png", encoded(Image.new("L", (40, 40))))

    (warning,) = warnings_of(document.getvalue(), media.DOCX)

    assert (warning.kind, warning.count) == ("pictures", 2)


def test_pictures_within_a_mail_are_counted() -> None:
    mail = (
        b"From: a@example.com\r\nSubject: plan\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nThe plan is attached.\r\n"
        b"--b\r\nContent-Type: application/zip\r\n"
        b'Content-Disposition: attachment; filename="plan.zip"\r\n\r\nPK\r\n'
        b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + b64encode(SHOT)
        + b"\r\n--b--\r\n"
    )

    (warning,) = warnings_of(mail, media.EML)

    assert (warning.kind, warning.count) == ("pictures", 1)


def test_attachments_that_are_not_read_are_named_with_the_reason() -> None:
    told = attachments_not_read([("plan.zip", "it is a ZIP archive"), ("a.bin", "it is empty")])

    assert (told.kind, told.count) == ("attachments", 2)
    assert told.text == "not read: plan.zip (it is a ZIP archive), a.bin (it is empty)"


def test_a_guessed_character_set_is_named() -> None:
    (warning,) = warnings_of("Die Größe der Straße in Köln".encode("cp1252"), media.TEXT)

    assert (warning.kind, warning.count) == ("characters", 4)
    assert "cp1252" in warning.text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_a_character_set_that_is_certain_is_not_worth_a_word(encoding: str) -> None:
    assert warnings_of("Die Größe der Straße in Köln".encode(encoding), media.TEXT) == []


def test_characters_that_cannot_be_decoded_are_counted() -> None:
    page = b'<meta charset="utf-8"><p>Gr\xc3\xb6\xc3\x9fe \xef\xbf\xbd and \xef\xbf\xbd</p>'

    (warning,) = warnings_of(page, media.HTML)

    assert (warning.kind, warning.count) == ("characters", 2)


def test_a_warning_has_a_bounded_length_and_no_controls() -> None:
    many = pages_not_read(range(1, 9_000, 2), "they are scans")
    hostile = attachments_not_read([(f"\x1b[2J{n}" + "x" * 900, "\x1b[2J" * 90) for n in range(900)])

    assert (many.count, hostile.count) == (4_500, 900)
    assert "…" in many.text
    assert "and 890 more" in hostile.text[-80:] or len(hostile.text) == LONGEST_WARNING
    assert all(len(each.text) <= LONGEST_WARNING and each.text.isprintable() for each in (many, hostile))
