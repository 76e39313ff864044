"""Names of files in headers are read in every encoding that programs send them in."""

import pytest

from rag.web.parameters import combined, decoded_words


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        ([("filename*", b"UTF-8''%e2%82%ac.txt")], "€.txt"),
        ([("filename*", b"utf-8'de'pr%C3%BCfung.txt"), ("filename", b"pruefung.txt")], "prüfung.txt"),
        ([("filename", b"a.txt"), ("filename*", b"unknown''b.txt")], "a.txt"),
        ([("filename", b"a.txt"), ("filename*", b"no charset")], "a.txt"),
        ([("filename*", b"Shift_JIS''%93%fa%96%7b.txt")], "日本.txt"),
        ([("filename*", b"iso-8859-1''caf%e9")], "café"),
        (
            [("filename*0*", b"utf-8''%e2%82"), ("filename*1*", b"%ac"), ("filename*2", b"%41.txt")],
            "€%41.txt",
        ),
        ([("filename*1", b"b.txt"), ("filename*0", b"a")], "ab.txt"),
        ([("filename*1*", b"lost"), ("filename", b"a.txt")], "a.txt"),
        ([("filename*", b"utf-8''%ff.txt")], "\ufffd.txt"),
        ([("filename", b"a"), ("filename", b"b")], "a"),
    ],
)
def test_an_encoded_parameter_is_decoded(parameters: list[tuple[str, bytes]], filename: str) -> None:
    assert combined(parameters)["filename"].decode() == filename


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("plain.txt", "plain.txt"),
        ("=?utf-8?B?4oKsLnR4dA==?=", "€.txt"),
        ("=?UTF-8?Q?pr=C3=BCfung_2026=2Etxt?=", "prüfung 2026.txt"),
        ("=?iso-8859-1?q?caf=e9?=.txt", "café.txt"),
        ("a =?utf-8?q?b?= c", "a b c"),
        ("=?utf-8?B?4oI=?= \t=?utf-8?B?rA==?=", "€"),
        ("=?utf-8?q?a?= =?iso-8859-1?q?=e9?=", "aé"),
        ("=?utf-8*en?q?a?=", "a"),
        ("=?utf-8?B?4oKs?", "=?utf-8?B?4oKs?"),
        ("=?utf-8?B?!?=", ""),
        ("=?utf-8?B?A?=", "=?utf-8?B?A?="),
        ("=?nothing?q?a?=", "=?nothing?q?a?="),
        ("=?punycode?q?a-b?=", "=?punycode?q?a-b?="),
        ("\udcff=?utf-8?q?a?=", "\udcffa"),
    ],
)
def test_encoded_words_are_decoded(text: str, decoded: str) -> None:
    assert decoded_words(text) == decoded
