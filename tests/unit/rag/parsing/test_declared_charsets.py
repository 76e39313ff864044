"""Declared character sets: what their names mean, which are wrong, and guesses that are told."""

import base64

import pytest

from rag import media
from rag.parsing.decoding import decoded, guess_about
from rag.parsing.formats import parse

RUSSIAN = "Насос номер семь был остановлен утром. Ответственный за ремонт: Петров Алексей."
GERMAN = "Die Größe der Übergrößenträger prüft Jürgen Groß täglich."
JAPANESE = "七号ポンプは月曜日の朝に停止されました。"
MOST = 1 << 20


@pytest.mark.parametrize(
    ("label", "codec", "content"),
    [
        ("iso-8859-1", "cp1252", f"“{GERMAN}” – 5 €"),
        ("us-ascii", "cp1252", f"“{GERMAN}” – 5 €"),
        ("gb2312", "gbk", "负责维修的是朱镕基"),
        ("shift_jis", "cp932", "①㈱鈴木花子"),
        ("x-sjis", "cp932", "鈴木花子"),
        ("ks_c_5601-1987", "cp949", "똠방각하 이서연"),
        ("big5", "big5hkscs", "張偉嘅鑰匙"),
        ("iso-8859-9", "cp1254", "Şule “Çağlayan”"),
    ],
)
def test_a_declared_set_has_the_characters_that_programs_write_under_its_name(label, codec, content):
    assert decoded(content.encode(codec), label) == content


@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1251", "no-such-set", "zlib", ""])
def test_utf8_is_read_as_such_whatever_is_declared(declared):
    assert decoded(GERMAN.encode(), declared) == GERMAN
    assert guess_about(GERMAN.encode(), declared) is None


def test_what_is_declared_as_western_and_is_not_is_guessed():
    data = RUSSIAN.encode("cp1251")

    assert decoded(data, "iso-8859-1") == RUSSIAN
    assert guess_about(data, "iso-8859-1") is not None


@pytest.mark.parametrize("charset", ["iso2022_jp", "iso2022_jp_2"])
def test_sets_that_switch_by_escape_sequences_need_no_declaration(charset):
    assert decoded(f"Note: {JAPANESE}".encode(charset)) == f"Note: {JAPANESE}"


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_found_in_other_scripts_too(order):
    assert decoded(RUSSIAN.encode(order)) == RUSSIAN


def test_a_broken_byte_spoils_one_character_and_not_the_text():
    data = RUSSIAN.encode()

    assert decoded(data[:11] + b"\xff" + data[11:]).replace("\ufffd", "").endswith(RUSSIAN[6:])


def test_a_page_that_is_read_byte_by_byte_is_not_in_utf16():
    page = f'<?xml version="1.0" encoding="utf-16"?><html><body><p>{GERMAN}</p></body></html>'

    assert parse(page.encode(), media.HTML, MOST).text == GERMAN


@pytest.mark.parametrize(
    ("head", "media_type"), [(b"<html><body><p>", media.HTML), (b"Subject: x\n\n", media.EML)]
)
def test_a_guess_about_a_page_or_a_mail_is_told(head, media_type):
    document = parse(head + RUSSIAN.encode("koi8-r"), media_type, MOST)

    assert RUSSIAN in document.text
    assert [warning.kind for warning in document.warnings] == ["characters"]
    assert "by guess" in document.warnings[0].text


def test_a_declared_set_that_is_right_is_no_guess():
    page = f'<html><head><meta charset="koi8-r"></head><body><p>{RUSSIAN}'.encode("koi8-r")
    mail = b"Subject: x\nContent-Type: text/plain; charset=koi8-r\n\n" + RUSSIAN.encode("koi8-r")

    assert parse(page, media.HTML, MOST).warnings == ()
    assert parse(mail, media.EML, MOST).warnings == ()


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("Größe der Übersicht".encode("cp1252"), "Größe der Übersicht"),
        ("Größe der Übersicht".encode(), "Größe der Übersicht"),
        (b"=?gb2312?B?" + base64.b64encode("朱镕基报告".encode("gbk")) + b"?=", "朱镕基报告"),
        (b"=?iso-8859-1?Q?=93Gr=F6=DFe=94?=", "“Größe”"),
    ],
)
def test_a_subject_is_read_in_its_character_set(written, subject):
    assert parse(b"Subject: " + written + b"\n\nThe plan.\n", media.EML, MOST).title == subject
