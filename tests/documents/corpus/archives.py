"""Zip files that lie: about sizes, names, numbers and places of their entries."""

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping

from tests.documents.office import docx, epub, odt, pptx, xlsx

Entry = tuple[str | zipfile.ZipInfo, bytes]

MAIN = {"docx": "word/document.xml", "xlsx": "xl/worksheets/sheet1.xml", "pptx": "ppt/slides/slide1.xml"}
WHOLE: Mapping[str, Callable[[], bytes]] = {
    "docx": docx,
    "xlsx": xlsx,
    "pptx": pptx,
    "odt": odt,
    "epub": epub,
}


def entry(data: bytes, name: str) -> str:
    """The text of one entry."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name).decode()


def rebuild(data: bytes, replaced: Mapping[str, bytes], added: Iterable[Entry] = ()) -> bytes:
    """The archive with entries replaced and others added; its mimetype stays first and unpacked."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            packing = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            new.writestr(name, replaced.get(name, old.read(name)), packing)
        for name, content in added:
            new.writestr(name, content)
    return buffer.getvalue()


def _lying_size(data: bytes) -> bytes:
    """Every entry claims to unpack to 100 bytes, in its own header and in the directory."""
    forged = bytearray(data)
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.find(mark)
        while place >= 0:
            struct.pack_into("<I", forged, place + offset, 100)
            place = data.find(mark, place + 4)
    return bytes(forged)


def _wrong_sums(data: bytes) -> bytes:
    forged, place = bytearray(data), data.find(b"PK\x01\x02")
    while place >= 0:
        struct.pack_into("<I", forged, place + 16, 0xDEADBEEF)
        place = data.find(b"PK\x01\x02", place + 4)
    return bytes(forged)


def _unknown_method(data: bytes) -> bytes:
    forged, place = bytearray(data), data.find(b"PK\x01\x02")
    while place >= 0:
        struct.pack_into("<H", forged, place + 10, 99)
        place = data.find(b"PK\x01\x02", place + 4)
    return bytes(forged)


def _no_directory(data: bytes) -> bytes:
    return data[: data.rfind(b"PK\x01\x02")]


def _huge_directory(data: bytes) -> bytes:
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:-22] + end


def _many_entries(data: bytes) -> bytes:
    return rebuild(data, {}, ((f"extra/{n}", b"x") for n in range(15_000)))


def _escaping_names(data: bytes) -> bytes:
    names = ("../../../../escaped", "/escaped", "a\\..\\..\\escaped", "c:escaped", "a/" * 200 + "deep")
    return rebuild(data, {}, ((name, b"x") for name in names))


def _long_names(data: bytes) -> bytes:
    return rebuild(data, {}, [("n" * 60_000, b"x"), ("\u202egnp.exe\x01", b"y")])


def _links(data: bytes) -> bytes:
    def link(name: str, target: str) -> Entry:
        info = zipfile.ZipInfo(name)
        info.create_system, info.external_attr = 3, 0o120777 << 16
        return info, target.encode()

    return rebuild(data, {}, [link("a", "/etc/passwd"), link("b", "/proc/self/environ"), link("c", "c")])


def _nested(data: bytes) -> bytes:
    inner = data
    for _ in range(10):
        inner = rebuild(data, {}, [("inner.zip", inner)])
    return inner


def _big_extra(data: bytes) -> bytes:
    return rebuild(data, {}, [(f"media/{n}.bin", bytes(8 << 20)) for n in range(12)])


def _overlapping(_: bytes = b"") -> bytes:
    """Four thousand directory entries that all unpack the same 10 MB (D. Fifield's construction)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(1 << 20)
    body = b"".join(packer.compress(block) for _ in range(10)) + packer.flush()
    crc, name = zlib.crc32(block * 10), b"word/document.xml"
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0, crc, len(body), 10 << 20, len(name), 0)
    local += name + body
    directory = b""
    for n in range(4_000):
        each = name if n == 0 else b"word/a%d.xml" % n
        directory += struct.pack(
            "<IHHHHHHIIIHHHHHII",
            0x02014B50, 20, 20, 0, 8, 0, 0, crc, len(body), 60_000, len(each), 0, 0, 0, 0, 0, 0,
        ) + each  # fmt: skip
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 4_000, 4_000, len(directory), len(local), 0)
    return local + directory + end


def _duplicates(data: bytes) -> bytes:
    buffer = io.BytesIO(data)
    with zipfile.ZipFile(buffer, "a") as archive, warnings.catch_warnings(action="ignore"):
        for _ in range(40):
            archive.writestr(archive.namelist()[-1], b"<x/>")
    return buffer.getvalue()


LIES: Mapping[str, Callable[[bytes], bytes]] = {
    "lying-sizes": _lying_size,
    "wrong-sums": _wrong_sums,
    "unknown-method": _unknown_method,
    "no-directory": _no_directory,
    "huge-directory": _huge_directory,
    "many-entries": _many_entries,
    "escaping-names": _escaping_names,
    "long-names": _long_names,
    "links": _links,
    "nested": _nested,
    "big-extra": _big_extra,
    "duplicates": _duplicates,
}

FILES: Mapping[str, Callable[[], bytes]] = {
    **{
        f"zip-{name}.{ending}": lambda lie=lie, whole=whole: lie(whole())  # type: ignore[misc]
        for ending, whole in WHOLE.items()
        for name, lie in LIES.items()
    },
    "zip-overlapping.docx": _overlapping,
    "zip-empty.docx": lambda: b"PK\x05\x06" + bytes(18),
    "zip-only-magic.docx": lambda: b"PK\x03\x04",
    "zip-sheet-as-text.docx": xlsx,
    "zip-text-as-sheet.xlsx": docx,
    "zip-book-as-slides.pptx": epub,
}
