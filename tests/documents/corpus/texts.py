"""Plain text, Markdown and RTF that cost more than they say."""

from collections.abc import Callable, Mapping

_KEYED = {  # short pieces, repeated: what patterns and parsers stumble over
    "bar-rules": "|-",
    "rule-bars": "-|",
    "rules": "-|-:",
    "brackets": "[",
    "closing-brackets": "]",
    "links": "[a](",
    "images": "![a](",
    "strong": "**a ",
    "emphasis": "*a _b ",
    "quotes": "> ",
    "nested-quotes": ">",
    "headings": "# h\n",
    "fences": "```\n\n",
    "tildes": "~~~\n",
    "ticks": "`a``",
    "items": "\n1. ",
    "bullets": "\n- ",
    "tags": "<b ",
    "open-tags": "</",
    "escapes": "\\",
    "fields": "a: ",
    "cells": "|a|\n",
    "wide-cells": "a|",
    "underlines": "=\n",
    "citations": "[1",
    "digits": "1,",
    "entities": "&amp;",
    "initials": "A. ",
    "titles": "Mr. ",
    "sentences": "A b. ",
    "spaces": " ",
    "tabs": "\t",
    "no-break-spaces": "\u00a0",
    "zero-width": "\u200b",
    "marks": "a\u0327\u0301",
    "bidirectional": "\u202e\u2066",
    "emoji": "\U0001f468\u200d\U0001f469",
    "thai": "\u0e01\u0e02",
    "hangul": "\ud55c",
    "han": "\u4e2d\u3002",
    "ligatures": "\ufb01",
    "addresses": "http://a.b/",
    "mail": "a@b.c ",
    "one-letter": "a",
}
_BYTES = 120_000


def _repeat(piece: str) -> bytes:
    return ("Words before it. " + piece * (_BYTES // len(piece.encode())) + " words behind it.").encode()


FILES: Mapping[str, Callable[[], bytes]] = {
    **{f"{name}.md": lambda piece=piece: _repeat(piece) for name, piece in _KEYED.items()},  # type: ignore[misc]
    "white-space.txt": lambda: b"king of pentacles" + b" " * 10_000_000 + b"the end.",
    "only-space.txt": lambda: b" \n" * 500_000,
    "one-word.txt": lambda: b"A" * 10_000_000,
    "lines.txt": lambda: b"a\n" * 1_000_000,
    "paragraphs.txt": lambda: b"a\n\n" * 500_000,
    "too-long.txt": lambda: b"word " * 9_000_000,
    "null-bytes.txt": lambda: b"hello\0world " * 100,
    "utf16.txt": lambda: "hello there ".encode("utf-16-le") * 1_000,
    "utf16-surrogates.txt": lambda: b"\xff\xfe" + b"\x00\xd8" * 1_000 + "text".encode("utf-16-le"),
    "utf32.txt": lambda: "hello".encode("utf-32"),
    "bad-utf8.txt": lambda: b"\xc3\x28\xa0\xa1\xf0\x28\x8c\x28 plain words " * 100,
    "escapes.txt": lambda: b"\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m \x9b31m text " * 100,
    "front-matter.md": lambda: b'---\ntitle: "' + b" " * 100_000 + b"x\n---\n\nbody text",
    "front-laughs.md": lambda: (
        b"---\na: &a [x,x]\n"
        + b"".join(b"%c: &%c [*%c,*%c]\n" % (n + 1, n + 1, n, n) for n in range(97, 120))
        + b"---\nx"
    ),
    "heading-spaces.md": lambda: b"# a" + b" " * 300_000 + b"x\n\nsome text",
    "nested-lists.md": lambda: b"\n".join(b" " * (2 * n) + b"- x" for n in range(1_500)),
    "wide-table.md": lambda: b"|" + b"a|" * 100_000 + b"\n|" + b"-|" * 100_000 + b"\n",
    "references.md": lambda: b"".join(b"[%d]: http://x\n" % n for n in range(50_000)) + b"[1]" * 50_000,
    "growing-ticks.md": lambda: b"".join(b"`" * n + b"a" for n in range(1_000)),
    "blocks.md": lambda: b"<div>\n" * 100_000,
    "deep-groups.rtf": lambda: b"{\\rtf1 " + b"{" * 300_000 + b"text" + b"}" * 300_000 + b"}",
    "binary.rtf": lambda: b"{\\rtf1 {\\pict\\bin2147483647 x} text here}",
    "object.rtf": lambda: b"{\\rtf1 {\\object\\objdata " + b"d0cf11e0" * 300_000 + b"} some text}",
    "negative-letters.rtf": lambda: b"{\\rtf1 " + b"\\u-99999999999? " * 10_000 + b" text}",
    "many-cells.rtf": lambda: b"{\\rtf1 \\trowd" + b"\\cellx1" * 100_000 + b" \\intbl x\\cell\\row}",
    "cut.rtf": lambda: b"{\\rtf1\\ansi {\\fonttbl{\\f0 ",
    "long-word.rtf": lambda: b"{\\rtf1 \\" + b"a" * 3_000_000 + b" text}",
}
