"""Mail whose parts nest, whose headers grow, and whose encodings are none."""

from collections.abc import Callable, Mapping

_HEAD = b"From: a@b\r\nTo: c@d\r\n"


def _mail(body: bytes, kind: str = "text/plain", subject: bytes = b"s") -> bytes:
    about = b"Subject: %s\r\nMIME-Version: 1.0\r\nContent-Type: %s\r\n\r\n" % (subject, kind.encode())
    return _HEAD + about + body


def _inside_each_other() -> bytes:
    whole = _mail(b"core text")
    for _ in range(500):
        whole = _mail(whole, "message/rfc822")
    return whole


def _nested_parts() -> bytes:
    part = b"Content-Type: text/plain\r\n\r\ninner"
    for n in range(300):
        head = b'Content-Type: multipart/alternative; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n)
        part = head + part + b"\r\n--b%d--" % n
    return _HEAD + b"Subject: s\r\n" + part


def _many_parts() -> bytes:
    parts = b"".join(b"--B\r\nContent-Type: text/plain\r\n\r\npart %d\r\n" % n for n in range(5_000))
    return _mail(parts + b"--B--", 'multipart/mixed; boundary="B"')


FILES: Mapping[str, Callable[[], bytes]] = {
    "inside-each-other.eml": _inside_each_other,
    "nested-parts.eml": _nested_parts,
    "many-parts.eml": _many_parts,
    "many-headers.eml": lambda: _HEAD + b"X-A: b\r\n" * 50_000 + b"\r\nbody",
    "long-header.eml": lambda: _mail(b"body", subject=b"a " * 2_000_000),
    "many-addresses.eml": lambda: b"From: " + b"a@b, " * 20_000 + b"\r\nSubject: x\r\n\r\nbody",
    "nested-remarks.eml": lambda: b"From: " + b"(" * 5_000 + b")" * 5_000 + b" a@b\r\nSubject: x\r\n\r\nbody",
    "encoded-words.eml": lambda: _mail(b"body", subject=b"=?utf-8?q?a?= " * 20_000),
    "bad-words.eml": lambda: _mail(
        b"body", subject=b"=?punycode?q?" + b"a-b" * 2_000 + b"?= =?utf-8?b?!!!?="
    ),
    "escapes.eml": lambda: _mail(b"body", subject=b"\x1b]0;owned\x07\x1b[31mred"),
    "charset-rot13.eml": lambda: _mail(b"hello \xff\xfe there", 'text/plain; charset="rot13"'),
    "charset-punycode.eml": lambda: _mail(b"a-b" * 100_000, 'text/plain; charset="punycode"'),
    "charset-idna.eml": lambda: _mail(b"xn--a." * 50_000, 'text/plain; charset="idna"'),
    "deep-page.eml": lambda: _mail(b"<div>" * 50_000 + b"text", "text/html"),
    "no-boundary.eml": lambda: _mail(b"--\r\n\r\nx\r\n----", 'multipart/mixed; boundary=""'),
    "long-boundary.eml": lambda: _mail(
        b"--" + b"b" * 100_000, f'multipart/mixed; boundary="{"b" * 100_000}"'
    ),
    "parameters.eml": lambda: _mail(
        b"x", "text/plain; " + "; ".join(f"name*{n}*=utf-8''a" for n in range(5_000))
    ),
    "folded.eml": lambda: _HEAD + b"Subject: x" + b"\r\n y" * 200_000 + b"\r\n\r\nbody",
    "base64.eml": lambda: (
        _HEAD + b"Subject: s\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"A===" * 300_000
    ),
    "quoted.eml": lambda: (
        _HEAD + b"Subject: s\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=\r\n=3" * 200_000
    ),
}
