"""The handbook in formats that are text themselves."""

import json as json_module
from email.message import EmailMessage

from tests.documents.content import HEADINGS, OTHER_ALPHABETS, SENTENCES, TABLE, TITLE


def text() -> bytes:
    table = "\n".join(", ".join(row) for row in TABLE)
    parts = (TITLE, HEADINGS[0], SENTENCES[0], OTHER_ALPHABETS, table, HEADINGS[1], SENTENCES[1])
    return "\n\n".join(parts).encode()


def markdown() -> bytes:
    head, *rows = (" | ".join(row) for row in TABLE)
    table = "\n".join((f"| {head} |", "|---|---|---|", *(f"| {row} |" for row in rows)))
    return (
        f"# {TITLE}\n\n## {HEADINGS[0]}\n\n{SENTENCES[0]}\n\n{OTHER_ALPHABETS}\n\n{table}\n\n"
        f"```\n# not a heading\n```\n\n## {HEADINGS[1]}\n\n{SENTENCES[1]}\n"
    ).encode()


def csv() -> bytes:
    notes = ("Note", SENTENCES[0], f'{SENTENCES[1]} "{OTHER_ALPHABETS}"'.replace('"', '""'))
    return "\r\n".join(",".join((*row, f'"{note}"')) for row, note in zip(TABLE, notes, strict=True)).encode()


def record() -> dict[str, object]:
    head, *rows = TABLE
    return {
        "title": TITLE,
        "sections": [
            {"heading": HEADINGS[0], "body": SENTENCES[0], "alphabets": OTHER_ALPHABETS},
            {"heading": HEADINGS[1], "body": SENTENCES[1]},
        ],
        "berths": [dict(zip(head, row, strict=True)) for row in rows],
    }


def json() -> bytes:
    return json_module.dumps(record(), indent=1).encode()


def jsonl() -> bytes:
    return b"\n".join(json_module.dumps({key: value}).encode() for key, value in record().items())


def eml() -> bytes:
    message = EmailMessage()
    message["Subject"] = TITLE
    message["From"] = "Ada <ada@harbour.example>"
    message["To"] = "grace@harbour.example"
    message["Date"] = "Mon, 02 Nov 2026 08:00:00 +0000"
    message.set_content(text().decode())
    return message.as_bytes()


def rtf() -> bytes:
    def paragraph(content: str, style: str = "") -> str:
        units = content.encode("utf-16-le")
        codes = (int.from_bytes(units[i : i + 2], "little") for i in range(0, len(units), 2))
        plain = "".join(chr(c) if c < 128 else f"\\u{c - 65536 if c > 32767 else c}?" for c in codes)
        return f"\\pard\\plain{style} {plain}\\par\n"

    rows = "".join(
        "\\trowd\\cellx2000\\cellx4000\\cellx6000 "
        + "".join(f"\\intbl {cell}\\cell " for cell in row)
        + "\\row\n"
        for row in TABLE
    )
    body = (
        paragraph(HEADINGS[0], "\\s1\\outlinelevel0\\b\\fs36")
        + paragraph(SENTENCES[0])
        + paragraph(OTHER_ALPHABETS)
        + rows
        + paragraph(HEADINGS[1], "\\s1\\outlinelevel0\\b\\fs36")
        + paragraph(SENTENCES[1])
    )
    styles = "{\\stylesheet{\\s0 Normal;}{\\s1\\outlinelevel0 heading 1;}}"
    return f"{{\\rtf1\\ansi\\uc1{styles}{{\\info{{\\title {TITLE}}}}}\n{body}}}".encode("ascii")


def html() -> bytes:
    head, *rows = TABLE
    table = "".join(f"<th>{cell}</th>" for cell in head)
    for row in rows:
        table += "</tr><tr>" + "".join(f"<td>{cell}</td>" for cell in row)
    return (
        f"<!doctype html><html><head><meta charset=utf-8><title>{TITLE}</title>"
        "<script>var hidden = 'never shown';</script><style>p {color: red}</style></head><body>"
        "<nav><ul><li><a href=/>Home</a></li></ul></nav>"
        f"<main><h1>{TITLE}</h1><h2>{HEADINGS[0]}</h2><p>{SENTENCES[0]}</p><p>{OTHER_ALPHABETS}</p>"
        f"<table><tr>{table}</tr></table><pre><code># not a heading\n</code></pre>"
        f"<h2>{HEADINGS[1]}</h2><p>{SENTENCES[1]}</p></main></body></html>"
    ).encode()
