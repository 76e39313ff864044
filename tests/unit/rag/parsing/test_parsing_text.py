"""Text formats, in this process: encodings, normal form, headings, tables, records, mail and pages."""

import pytest

from rag.errors import UnreadableDocument
from rag.model import Heading
from rag.parsing import mail, plain, records, structure, tables, webpage
from rag.parsing.decoding import decoded, normalised
from rag.parsing.wire import MOST_ATTACHMENTS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_read_with_and_without_a_mark(encoding):
    assert decoded("Größe of a café".encode(encoding)) == "Größe of a café"


def test_what_is_no_unicode_is_read_as_windows_text():
    assert decoded("naïve – “café”".encode("cp1252")) == "naïve – “café”"


@pytest.mark.parametrize(
    ("charset", "content"),
    [
        ("shift_jis", "担当者は佐藤美咲です。次の点検は三月に行います。"),
        ("euc_jp", "担当者は佐藤美咲です。次の点検は三月に行います。"),
        ("gbk", "负责人是王小明，下一次检查在三月进行。"),
        ("big5", "負責人是王小明，下一次檢查在三月進行。"),
        ("cp949", "담당자는 김민수이며 다음 점검은 삼월에 합니다."),
        ("utf-16-le", "担当者,部署\n佐藤美咲,品質保証\n鈴木花子,購買\n"),
        ("cp1250", "Zamówienie złożyła Małgorzata Żółkiewska, więc dostawę przyjmie jutro."),
        ("iso8859_2", "Zamówienie złożyła Małgorzata Żółkiewska, więc dostawę przyjmie jutro."),
        ("cp1251", "Насос проверяет мастер Иванова, следующая проверка в марте."),
        ("koi8_r", "Насос проверяет мастер Иванова, следующая проверка в марте."),
        ("cp866", "Насос проверяет мастер Иванова, следующая проверка в марте."),
        ("cp1253", "Η αντλία ελέγχεται από τη Μαρία κάθε τρεις μήνες."),
        (
            "cp1254",
            "Pompayı Ayşe Yıldız denetler, sıradaki bakım mart ayında yapılacağı için hazırlanır.",
        ),
        ("cp437", "Die Prüfung übernimmt Frau Groß, die Schlüssel verwahrt Herr Köhler."),
        ("mac_roman", "Die Prüfung übernimmt Frau Groß, die Schlüssel verwahrt Herr Köhler."),
    ],
)
def test_the_character_set_of_a_text_that_states_none_is_found(charset, content):
    assert decoded(content.encode(charset)) == content


@pytest.mark.parametrize(
    "content",
    [
        "Keep it at 25 °C.",
        "See § 5 (2) – “as amended”.",
        "The pump—which failed—was sold for €30.",
        "café",
        "Grüße aus Köln. " * 500,
    ],
)
def test_a_few_western_characters_are_not_mistaken_for_another_script(content):
    assert decoded(content.encode("cp1252")) == content


def test_lines_of_two_character_sets_are_each_read_by_their_own():
    content = "Überprüfung: Frau Groß\n".encode() + "Zuständig: Björn Löwe\n".encode("cp1252")

    assert decoded(content) == "Überprüfung: Frau Groß\nZuständig: Björn Löwe\n"


def test_a_stated_encoding_is_tried_first_and_a_wrong_one_forgiven():
    assert decoded("гавань".encode("cp1251"), "windows-1251") == "гавань"
    assert decoded("Größe".encode(), "no-such-encoding") == "Größe"
    assert decoded("東京".encode(), "ascii") == "東京"


def test_binary_data_is_refused():
    with pytest.raises(UnreadableDocument, match="binary"):
        decoded(bytes(range(32)) * 100)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a\r\nb\rc\u2028d\x0ce", "a\nb\nc\nd\ne"),
        ("\ufeffa\x00b\u200bc\u00add", "abcd"),
        ("lone \ud800 half", "lone  half"),
        ("cafe\u0301", "café"),
        ("KX\u20112041\u2010B", "KX-2041-B"),
        ("e\ufb03cient \ufb02ow", "efficient flow"),
        ("10\u00a0km", "10 km"),
        ("a  \n\n\n\n b\t\n", "a\n\n b"),
        ("👩\u200d🚒", "👩\u200d🚒"),
    ],
)
def test_text_has_one_normal_form(raw, clean):
    assert normalised(raw) == clean
    assert normalised(clean) == clean


def test_headings_are_found_where_commonmark_finds_them():
    text = (
        "# One #\n\nTwo\n===\n\n```sh\n# comment\n```\n\n    # indented\n\n####### seven\n\n#hashtag\n\n"
        "| a |\n---\n\ntext\nmore\n---\n\n~~~\n## no\n~~~\n\n   ### **Three** [link](http://x)\n\n#\n"
    )
    headings = list(structure.headings_of(text))
    assert [(heading.level, heading.text) for heading in headings] == [
        (1, "One"),
        (1, "Two"),
        (3, "Three link"),
    ]
    assert [text[heading.start :][:5] for heading in headings] == ["# One", "Two\n=", "   ##"]


def test_a_document_that_is_one_heading_is_found():
    assert structure.from_markdown("# Only").headings == (Heading(0, 1, "Only"),)


def test_the_title_is_the_outermost_heading_unless_one_is_stated():
    assert structure.from_markdown("## Sub\n\n# Main").title == "Main"
    assert structure.from_markdown("# Main", "Stated").title == "Stated"


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        ("Microsoft Word - report.docx", None),
        ("untitled", None),
        (" A \n good  one ", "A good one"),
        ("", None),
    ],
)
def test_titles_that_programs_left_behind_are_none(stated, title):
    assert structure.usable_title(stated) == title


def test_front_matter_gives_the_title_and_is_no_text():
    document = plain.markdown(b'---\ntitle: "Harbour: a history"\ntags: [a]\n---\n# Other\n\ntext')
    assert (document.title, document.text) == ("Harbour: a history", "# Other\n\ntext")


def test_a_rule_is_no_front_matter():
    assert plain.markdown(b"---\n\ntext\n").text == "---\n\ntext"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_rows_name_their_columns_whatever_the_delimiter(delimiter):
    rows = (("Berth", "Depth"), ("North", "7.5"), ("South", "4,2"))
    data = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows).encode()
    assert tables.table(data).text == "Berth: North; Depth: 7.5\n\nBerth: South; Depth: 4,2"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            "Export of calls\nMade: 2026-05-04\n\nCall;Desk;Minutes\n11;North;4\n12;South;9\n13;East;2\n",
            "Export of calls\n\nMade: 2026-05-04\n\nCall: 11; Desk: North; Minutes: 4",
        ),
        ("sep=;\nTool;Shelf\nSaw, fine;A-1\nRasp;A-2\n", "Tool: Saw, fine; Shelf: A-1"),
        (",2021,2022\nOslo,7,8\nBern,9,10\n", "Oslo; 2021: 7; 2022: 8"),
        ("probe,1,2,3\nheat,4.5,4.6,4.7\n", "probe: heat; 1: 4.5; 2: 4.6; 3: 4.7"),
        (
            ",2025,,2026,\nPlant,Q1,Q2,Q1,Q2\nLinz,1,2,3,4\nGraz,5,6,7,8\n",
            "Plant: Linz; 2025 Q1: 1; 2025 Q2: 2; 2026 Q1: 3; 2026 Q2: 4",
        ),
        ("Item,Price,Price\nNut,1,2\nBolt,3,4\n", "Item: Nut; Price: 1; Price: 2"),
        ("Project:,Falcon\nBudget:,12000\nStart:,2026-01-31\n", "Project: Falcon\n\nBudget: 12000"),
        ("Project,Falcon\nBudget,12000\nStart,2026-01-31\nLead,Ada\n", "Project: Falcon\n\nBudget: 12000"),
        ("Rome,Bruno,0711\nPisa,Carla,0712\n", "Rome; Bruno; 0711"),
    ],
)
def test_the_row_of_names_is_found_and_none_is_invented(data, text):
    assert tables.table(data.encode()).text.startswith(text)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"1,2\n3,4\n", "1; 2\n\n3; 4"),
        (b"a,b\n1,\n,2\n", "a: 1\n\nb: 2"),
        (b"a,b\n1,2,3\n", "a: 1; b: 2; column 3: 3"),
        (b'a,b\n"two\nlines",x\n', "a: two lines; b: x"),
        (b"name\nAda\nGrace\n", "name: Ada\n\nname: Grace"),
        (b"only,one,row\n", "only; one; row"),
    ],
)
def test_irregular_tables_keep_every_cell(data, text):
    assert tables.table(data).text == text


def test_records_keep_the_keys_that_lead_to_a_value():
    document = records.json_document(
        b'{"title": "T", "port": {"name": "North", "open":true, "depth": 7.50}, "tags": ["a", "b"], "": null}'
    )
    assert document.title == "T"
    assert document.text == "title: T\nport › name: North\nport › open: yes\nport › depth: 7.50\ntags: a, b"


def test_records_of_a_list_stand_apart():
    assert records.json_document(b'[{"a": 1}, {"a": 2}]').text == "a: 1\n\na: 2"
    assert records.json_lines(b'{"a": 1}\n\n{"a": 2}\n').text == "a: 1\n\na: 2"


def test_json_with_comments_or_cut_off_is_read_as_text():
    assert records.json_document(b'// robot\n{"speed": 3,}').text == '// robot\n{"speed": 3,}'


def test_a_line_that_is_no_json_stays_among_the_others():
    assert records.json_lines(b'{"a": 1}\n{broken\n{"a": 2}\n').text == "a: 1\n\n{broken\n\na: 2"


def test_json_that_is_lines_is_read_as_lines():
    assert records.json_document(b'{"a": 1}\n{"a": 2}\n').text == "a: 1\n\na: 2"


@pytest.mark.parametrize("data", [b"[" * 5000 + b"]" * 5000, b'{"a":' * 3000 + b"1" + b"}" * 3000])
def test_json_nested_too_deeply_is_refused(data):
    with pytest.raises(UnreadableDocument, match="too deeply"):
        records.json_document(data)


def test_numbers_of_any_length_are_kept():
    assert records.json_document(b"[" + b"9" * 10_000 + b"]").text == "9" * 10_000


def test_mail_prefers_plain_text_and_names_attachments():
    message = (
        b"From: ada@example.org\nSubject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/mixed; boundary=B\n\n--B\n"
        b"Content-Type: multipart/alternative; boundary=C\n\n--C\n"
        b"Content-Type: text/plain\n\nplain words\n--C\n"
        b"Content-Type: text/html\n\n<p>rich words</p>\n--C--\n--B\n"
        b"Content-Type: application/pdf\n"
        b'Content-Disposition: attachment; filename="plan.pdf"\n\nx\n--B--\n'
    )
    document = mail.mail(message)
    assert document.title == "Größe"
    assert "plain words" in document.text
    assert "rich words" not in document.text
    assert "plan.pdf" in document.text


def test_mail_in_html_only_is_read_as_a_page():
    message = b"Subject: x\nMIME-Version: 1.0\nContent-Type: text/html\n\n<h2>Tides</h2><p>high &amp; low</p>"
    document = mail.mail(message)
    assert "high & low" in document.text
    assert [heading.text for heading in document.headings] == ["Tides"]


def composed(*parts: bytes, subtype: bytes = b"mixed") -> bytes:
    body = b"".join(b"--B\n" + part + b"\n" for part in parts)
    kind = b"Content-Type: multipart/" + subtype + b"; boundary=B\n\n"
    return b"Subject: Crane\nMIME-Version: 1.0\n" + kind + body + b"--B--\n"


def test_of_two_forms_of_a_mail_the_richer_is_read():
    plain_part = b"Content-Type: text/plain\n\nThis mail needs HTML."
    page = b"Content-Type: text/html\n\n<p>The crane is inspected on 4 May by Mr Holm.</p>"

    document = mail.mail(composed(plain_part, page, subtype=b"alternative"))

    assert "4 May by Mr Holm" in document.text
    assert "needs HTML" not in document.text


def test_all_parts_of_a_mail_are_read_in_order():
    forwarded = (
        b"Content-Type: message/rfc822\n\nFrom: ida@example.org\nSubject: Rope\n"
        b"Content-Type: text/plain\n\nThe rope is 40 m long."
    )
    invitation = (
        b"Content-Type: text/calendar\n\nBEGIN:VEVENT\nSUMMARY:Load test\n"
        b"DTSTART;TZID=Europe/Oslo:20260504T0900\nLOCATION:Hall 3\\, north\nEND:VEVENT"
    )
    first, last = (b"Content-Type: text/plain\n\n" + words for words in (b"First words.", b"Last words."))

    text = mail.mail(composed(first, forwarded, invitation, last)).text

    order = ["First", "ida@example.org", "40 m", "Event: Load test", "20260504T0900", "Hall 3, north", "Last"]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)


def test_a_part_is_read_in_its_own_character_set():
    part = b"Content-Type: text/plain; charset=koi8-r\n\n" + "Кран проверен".encode("koi8-r")

    assert "Кран проверен" in mail.mail(composed(part)).text


def test_mail_in_mail_is_read_to_a_depth():
    message = b"Subject: end\n\nthe innermost"
    for _ in range(50):
        message = b"Subject: x\nContent-Type: message/rfc822\n\n" + message

    assert "the innermost" not in mail.mail(message).text


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'filename="plan.pdf"', "plan.pdf"),
        (b"filename*=utf-8''pr%C3%BCfung.pdf", "prüfung.pdf"),
        (b"filename*0*=utf-8''pr%C3; filename*1*=%BCfung.pdf", "prüfung.pdf"),
        (b'filename="=?utf-8?B?cHLDvGZ1bmcucGRm?="', "prüfung.pdf"),
        (b'filename="../../etc/passwd\x1b[31m.pdf"', "passwd [31m.pdf"),
        (b'filename="C:\\\\temp\\\\plan.pdf"', "plan.pdf"),
        (b"filename*=utf-8''%E2%80%AEfdp.exe", "fdp.exe"),
        (b'filename=".."', "attachment-1.pdf"),
        (b"", "attachment-1.pdf"),
    ],
)
def test_a_file_in_a_mail_has_a_harmless_name(disposition, name):
    part = b"Content-Type: application/pdf\nContent-Disposition: attachment; " + disposition + b"\n\n%PDF-1.7"
    message = composed(b"Content-Type: text/plain\n\nwords", part)

    (attachment,) = mail.attachments(message)

    assert (attachment.name, attachment.declared, attachment.data) == (name, "application/pdf", b"%PDF-1.7")
    assert f"Attachments: {name}" in mail.mail(message).text


def test_files_of_forwarded_mails_are_attachments_too():
    file = b"Content-Type: text/markdown\nContent-Disposition: attachment; filename=a.md\n\n# A"
    forwarded = b"Content-Type: message/rfc822\n\n" + composed(file).replace(b"=B", b"=C").replace(
        b"--B", b"--C"
    )

    assert [each.name for each in mail.attachments(composed(forwarded))] == ["a.md"]


def test_attachments_are_bounded_in_number():
    file = b"Content-Type: application/pdf\n\nx"

    assert len(mail.attachments(composed(*[file] * 150))) == MOST_ATTACHMENTS


def test_pictures_within_the_text_are_no_attachments_and_those_that_are_attached_are():
    shown = b"Content-Type: image/png\nContent-Disposition: inline; filename=logo.png\n\nx"
    attached = b"Content-Type: image/png\nContent-Disposition: attachment; filename=scan.png\n\nx"

    assert [each.name for each in mail.attachments(composed(shown, attached))] == ["scan.png"]


def test_a_mail_with_a_file_and_no_words_is_not_empty():
    file = b"Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nwords"

    assert "a.txt" in mail.mail(composed(file).replace(b"Subject: Crane", b"From: a@example.org")).text


def test_a_page_keeps_its_content_only():
    document = webpage.html(
        b"<!doctype html><html><head><title>Tides</title><style>p{}</style></head><body>"
        b"<nav><a href=/>Home</a></nav><article><h1>Tides</h1><p>See <a href='http://x/y'>the table</a>.</p>"
        b"<pre><code>x = 1\n\n# y</code></pre><img src='data:image/png;base64,AAAA' alt=''></article>"
        b"<script>alert('never')</script></body></html>"
    )
    assert document.title == "Tides"
    assert "See the table." in document.text
    assert not [word for word in ("Home", "http", "never", "base64", "p{}") if word in document.text]
    assert "x = 1\n\n# y" in document.text
    assert [heading.text for heading in document.headings] == ["Tides"]


@pytest.mark.parametrize(
    "kept",
    [
        "<form><p>Open until 17:20</p><input type=hidden value=gone></form>",
        "<aside><p>Open until 17:20</p></aside>",
        "<footer><p>Open until 17:20</p></footer>",
        "<article><header><p>Open until 17:20</p></header></article>",
        '<div class="menu sidebar tabs toc navigation"><p>Open until 17:20</p></div>',
        "<img src=a.png alt='Open until 17:20'>",
        "<figure><img src=a.png><figcaption>Open until 17:20</figcaption></figure>",
        "<svg><text>Open until 17:20</text></svg>",
        "<p>Open <a href=/x>until <b>17:20</b></a></p>",
    ],
)
def test_no_content_of_a_page_is_lost(kept):
    text = webpage.html(f"<html><body><h1>Desk</h1>{kept}</body></html>".encode()).text

    assert "Open until 17:20" in text.replace("*", "")
    assert "gone" not in text
    assert "base64" not in text


@pytest.mark.parametrize(
    "left_out",
    [
        "<nav>Home</nav>",
        "<div role=navigation>Home</div>",
        "<p hidden>Home</p>",
        "<div class='x cookie-banner-big'>Home</div>",
        "<noscript>Home</noscript>",
    ],
)
def test_navigation_and_what_nobody_sees_is_left_out(left_out):
    assert webpage.html(f"<html><body><p>Desk</p>{left_out}</body></html>".encode()).text == "Desk"


@pytest.mark.parametrize(
    "words",
    [
        "# 5 is alive",
        "> 30 bar",
        "- 5 degrees",
        "1. Mai",
        "__init__ and *.log",
        "\\\\filer\\_x and C:\\#y",
        "^\\d+\\.\\d+$",
        "handlers[kind](event)",
        "[as amended](2nd addendum)",
    ],
)
def test_what_only_looks_like_markup_stays_and_is_no_heading(words):
    document = webpage.html(f"<html><body><p>{words.replace('>', '&gt;')}</p></body></html>".encode())

    assert document.text == words
    assert document.headings == ()


def test_headings_after_escapes_are_where_they_stand():
    document = webpage.html(b"<p># a</p><p>1. b_c</p><h2>Tides # 2</h2><p>x</p>")

    (heading,) = document.headings
    assert document.text[heading.start :].startswith("## Tides # 2")


def test_a_page_is_read_in_the_encoding_that_it_states():
    page = '<html><head><meta charset="windows-1251"></head><body><p>гавань</p></body></html>'
    assert "гавань" in webpage.html(page.encode("cp1251")).text


def test_converters_marks_are_taken_out_of_prose():
    markdown = "1\\. See [the \\> table](http://x) ![](a.png) f[i](j)\n\n| a    | b |\n| ---- | - |"
    assert structure.prose(markdown) == "1. See the > table  f[i](j)\n\n| a | b |\n| --- | - |"
