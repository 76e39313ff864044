"""Pictures of text are recognised by a confined process: how well, and what is refused."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from rag import media
from rag.errors import DocumentError, DocumentTooLarge, EmptyDocument, NotRecognised, UnreadableDocument
from rag.parsing.parser import IsolatedParser
from rag.settings import Settings
from tests.documents import page as written_page
from tests.documents.corpus.mutations import MUTATIONS
from tests.documents.scans import (
    ENGLISH,
    GERMAN,
    encoded,
    errors,
    noisy,
    page,
    pdf_of,
    table,
    turned,
)

pytestmark = pytest.mark.timeout(600)
LANGUAGES = pytest.mark.parametrize("text", [ENGLISH, GERMAN], ids=["English", "German"])


@pytest.fixture(scope="module")
def reader() -> Iterator[IsolatedParser]:
    with IsolatedParser(Settings(), "workers.recognition.child", recognises=True) as parser:
        yield parser


@LANGUAGES
@pytest.mark.parametrize("dpi", [150, 300])
def test_print_is_recognised(reader: IsolatedParser, text: str, dpi: int) -> None:
    found = reader.parse(encoded(page(text, dpi)), media.PNG, "scan.png")

    assert errors(text, found.text) <= 0.01


@LANGUAGES
@pytest.mark.parametrize(
    "spoil",
    [lambda picture: turned(picture, 1.5), lambda picture: turned(picture, -2), noisy],
    ids=["turned left", "turned right", "noisy"],
)
def test_a_page_that_is_turned_or_noisy_is_recognised(reader: IsolatedParser, text: str, spoil) -> None:
    found = reader.parse(encoded(spoil(page(text, 150))), media.PNG, "scan.png")

    assert errors(text, found.text) <= 0.03


@LANGUAGES
@pytest.mark.parametrize("columns", [2, 3])
def test_columns_are_read_one_after_the_other(reader: IsolatedParser, text: str, columns: int) -> None:
    found = reader.parse(encoded(page(3 * text, 150, columns=columns, points=8)), media.PNG, "scan.png")

    assert errors(3 * text, found.text) <= 0.03


def test_a_table_keeps_its_rows(reader: IsolatedParser) -> None:
    rows = [("Berth", "Length", "Depth"), ("North 1", "120 m", "8.5 m"), ("South 2", "95 m", "6.2 m")]

    found = reader.parse(encoded(turned(table(rows, 150), 0.5)), media.PNG, "table.png")

    assert "Berth: North 1; Length: 120 m; Depth: 8.5 m" in found.text
    assert "Berth: South 2; Length: 95 m; Depth: 6.2 m" in found.text


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [("PNG", media.PNG), ("JPEG", media.JPEG), ("TIFF", media.TIFF), ("WEBP", media.WEBP)],
)
def test_every_format_of_pictures_is_read(reader: IsolatedParser, kind: str, media_type: str) -> None:
    found = reader.parse(encoded(page("The bell rings at noon.", 150), kind), media_type, "scan")

    assert found.text == "The bell rings at noon."
    assert [(each.number, each.confidence is not None) for each in found.pages] == [(1, True)]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_pixels_is_read(reader: IsolatedParser, mode: str) -> None:
    picture = page("The bell rings at noon.", 150).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        picture = picture.point(lambda value: value * 256, "I").convert("I;16")

    assert reader.parse(encoded(picture, "TIFF"), media.TIFF, "scan").text == "The bell rings at noon."


def test_a_photograph_that_lies_on_its_side_is_read_as_it_is_meant(reader: IsolatedParser) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn to the right
    lying = page("The bell rings at noon.", 150).transpose(Image.Transpose.ROTATE_90)

    assert reader.parse(encoded(lying, "JPEG", exif=exif), media.JPEG, "x").text == "The bell rings at noon."


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_page_that_lies_on_its_side_or_head_is_recognised(reader: IsolatedParser, degrees: int) -> None:
    lying = page(GERMAN, 150).rotate(degrees, expand=True)

    assert errors(GERMAN, reader.parse(encoded(lying), media.PNG, "lying.png").text) <= 0.03


def test_lines_that_cannot_be_read_are_counted(reader: IsolatedParser) -> None:
    scribbled = page(ENGLISH, 150)
    draw = ImageDraw.Draw(scribbled)
    for stroke in range(60):  # a line of what is no letter of any script
        draw.arc((130 + 14 * stroke, 700, 146 + 14 * stroke, 730), 20 * stroke, 20 * stroke + 200, "black", 3)

    found = reader.parse(encoded(scribbled), media.PNG, "scribbled.png")

    assert [(warning.kind, warning.count) for warning in found.warnings] == [("parts", 1)]
    assert "a script other than" in found.warnings[0].text
    assert errors(ENGLISH, found.text) <= 0.01


@pytest.mark.parametrize("script", ["russian", "greek"])
def test_a_script_that_is_not_read_is_named_and_not_taken_for_latin(
    reader: IsolatedParser, script: str
) -> None:
    foreign = Path(__file__).parents[2] / f"documents/pictures/{script}.png"

    with pytest.raises(EmptyDocument, match="a script other than"):
        reader.parse(foreign.read_bytes(), media.PNG, "scan.png")


def test_the_frames_of_a_tiff_are_its_pages(reader: IsolatedParser) -> None:
    first, second = page("The bell rings at noon.", 150), page("The lamp is green.", 150)

    found = reader.parse(encoded(first, "TIFF", save_all=True, append_images=[second]), media.TIFF, "fax")

    assert [(each.number, found.text[each.start : each.end].strip()) for each in found.pages] == [
        (1, "The bell rings at noon."),
        (2, "The lamp is green."),
    ]


def test_a_page_without_text_in_a_good_file_is_recognised_and_the_others_are_left_alone(
    reader: IsolatedParser,
) -> None:
    scan = encoded(page("The lamp is green.", 150).convert("L"), "PNG")
    pdf = written_page.with_picture([[(72, 720, 12, "The harbour bell rings twice at noon.")], []], {2: scan})

    found = reader.parse(pdf, media.PDF, "mixed.pdf")

    assert [(each.number, each.confidence is None) for each in found.pages] == [(1, True), (2, False)]
    assert found.text == "The harbour bell rings twice at noon.\n\nThe lamp is green."
    assert found.warnings == ()


def test_a_screenshot_on_a_page_with_text_is_recognised_below_its_line(reader: IsolatedParser) -> None:
    shot = page("Valve V-12 is shut until the inspection of May.", 150).crop((100, 60, 700, 360))
    lines = [
        (72, 720, 12, "The screen of pump 7 shows this:"),
        (72, 300, 12, "Then call the fitter of the shift."),
    ]
    pdf = written_page.with_picture([lines], {1: encoded(shot)}, (72, 400, 400, 200))

    found = reader.parse(pdf, media.PDF, "screen.pdf")

    before, words, after = found.text.split("\n\n")
    assert "inspection" in words
    assert (before, after) == tuple(text for *_, text in lines)


def test_a_stamp_over_a_scan_is_no_layer(reader: IsolatedParser) -> None:
    scan = encoded(page("The lamp is green.", 150).convert("L"), "PNG")
    pdf = written_page.with_picture([[(72, 30, 8, "Scanned by Office 7")]], {1: scan})

    assert "The lamp is green." in reader.parse(pdf, media.PDF, "stamped.pdf").text


def test_a_title_over_a_photograph_is_read_from_its_layer(reader: IsolatedParser) -> None:
    photograph = encoded(Image.effect_mandelbrot((600, 400), (-2, -1, 1, 1), 50))
    pdf = written_page.with_picture([[(72, 720, 12, "The harbour bell rings.")]], {1: photograph})

    found = reader.parse(pdf, media.PDF, "slide.pdf")

    assert (found.text, found.pages[0].confidence) == ("The harbour bell rings.", None)


def test_passages_say_how_sure_their_recognition_is(reader: IsolatedParser) -> None:
    document = reader.cut(pdf_of(page(ENGLISH, 150), dpi=150), media.PDF, "scan.pdf")

    assert all(chunk.confidence is not None and 0.9 <= chunk.confidence <= 1 for chunk in document.chunks)
    assert {chunk.page for chunk in document.chunks} == {1}


def test_without_recognition_a_scan_is_refused_by_its_reason() -> None:
    with IsolatedParser(Settings()) as parser:
        for data, kind in (
            (pdf_of(page("The lamp is green.", 150), dpi=150), media.PDF),
            (encoded(page("x", 72)), media.PNG),
        ):
            with pytest.raises(NotRecognised, match="off or not installed"):
                parser.parse(data, kind, "scan")


def test_a_picture_without_text_is_empty(reader: IsolatedParser) -> None:
    with pytest.raises(EmptyDocument, match="No text was recognised"):
        reader.parse(encoded(Image.new("RGB", (800, 600), "white")), media.PNG, "blank.png")


def test_a_bomb_is_refused_before_it_is_decoded(reader: IsolatedParser) -> None:
    with pytest.raises(DocumentTooLarge, match="million pixels"):
        reader.parse(bomb(60_000, 60_000), media.PNG, "bomb.png")
    with pytest.raises(DocumentTooLarge, match="million pixels"):
        reader.parse(bomb(12_000, 12_000), media.PNG, "bomb.png")


@pytest.mark.parametrize("cut", [9, 40, 200])
def test_a_picture_that_was_cut_off_is_broken(reader: IsolatedParser, cut: int) -> None:
    with pytest.raises(UnreadableDocument):
        reader.parse(encoded(page("The lamp is green.", 150))[:cut], media.PNG, "cut.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_broken_picture_harms_nobody(reader: IsolatedParser, kind: str) -> None:
    whole = encoded(page("The lamp is green.", 150), kind)
    media_type = f"image/{kind.lower()}"

    for mutate in MUTATIONS.values():
        try:
            said = reader.parse(mutate(whole), media_type, "broken").text
        except DocumentError as error:
            said = str(error)
        assert said
    assert reader.parse(whole, media_type, "whole").text == "The lamp is green."


def test_pages_for_which_there_is_no_time_are_named() -> None:
    scans = pdf_of(*[page(3 * ENGLISH, 150)] * 12, dpi=150)
    with IsolatedParser(Settings(ocr_timeout=8), "workers.recognition.child", recognises=True) as reader:
        found = reader.parse(scans, media.PDF, "long.pdf")

    (warning,) = found.warnings
    assert warning.kind == "pages"
    assert len(found.pages) + warning.count == 12
    assert "OCR_TIMEOUT" in warning.text


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be so large, and is a few bytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000_000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
