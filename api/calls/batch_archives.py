"""A batch as a ZIP archive, a file a document. Its table of contents is bounded before it is read.

An archive within the archive is a file that no parser reads. Paths become ids as those of uploads do, so none
of them leads out of anything.
"""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import IO

from api.calls.batch_bodies import REFUSED, Defaults, require_few
from api.calls.batch_forms import form_part, received_file
from api.calls.uploads import too_large
from api.incoming.receiving import MIB
from rag.errors import DocumentTooLarge, UnreadableDocument, UnsupportedMedia
from tasks.submit.batch_drafts import Part, Refusal

MOST_RATIO, _FREE_RATIO = 200, MIB
"""How many times its packed size a file may have unpacked, beyond the first MiB."""

MOST_UNPACKED = 4
"""How many times MAX_BATCH_MB all files may have unpacked."""

_PIECE = 64 << 10
_END, _END_BYTES, _ZIP64_LOCATOR = b"PK\x05\x06", 22, b"PK\x06\x07"
_LONGEST_COMMENT = 65_535
_HEAD, _HEAD_BYTES = b"PK\x01\x02", 46
_DESCRIPTION = 1024
"""Bytes of the table of contents for each document, names among them."""

_NOT_READ = ("__MACOSX/",)  # what macOS adds beside the files
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError)


class ArchiveBody:
    """A ZIP archive. UnreadableDocument where it is broken, DocumentTooLarge for too many files or bytes."""

    def __init__(self, body: IO[bytes], defaults: Defaults) -> None:
        self._body, self._defaults = body, defaults
        _check_contents(body, defaults.settings.max_batch_documents)
        self._files = [info for info in _open_archive(body).infolist() if _is_document(info)]
        self.count = len(self._files)
        require_few(self.count, defaults.settings)
        if sum(info.file_size for info in self._files) > MOST_UNPACKED * defaults.settings.max_batch_mb * MIB:
            most = f"{MOST_UNPACKED * defaults.settings.max_batch_mb} MB"
            raise DocumentTooLarge(f"The files of an archive may have {most} unpacked (4 × MAX_BATCH_MB)")
        hashed = sha256()
        body.seek(0)
        while piece := body.read(MIB):
            hashed.update(piece)
        self.digest = hashed.hexdigest()

    def parts(self) -> Iterator[Part | Refusal]:
        archive = _open_archive(self._body)
        for position, info in enumerate(self._files):
            try:
                self._check(info)
                upload = received_file(_pieces(archive, info), info.filename, None, self._defaults)
                yield form_part(position, upload, [], self._defaults)
            except REFUSED as error:
                yield Refusal(position, error)

    def _check(self, info: zipfile.ZipInfo) -> None:
        """Refuse a file before anything of it is unpacked."""
        if stat.S_ISLNK(info.external_attr >> 16):
            raise UnsupportedMedia(f"{info.filename[:200]!r} is a link, not a file")
        if info.flag_bits & 1:
            raise UnreadableDocument(f"{info.filename[:200]!r} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnsupportedMedia(f"{info.filename[:200]!r} is packed by another method than deflate")
        if info.file_size > self._defaults.settings.max_upload_mb * MIB:
            raise too_large(self._defaults.settings)
        if info.file_size > MOST_RATIO * info.compress_size + _FREE_RATIO:
            raise DocumentTooLarge(f"{info.filename[:200]!r} unpacks to over {MOST_RATIO} times its size")


def _is_document(info: zipfile.ZipInfo) -> bool:
    return not info.is_dir() and not info.filename.startswith(_NOT_READ)


def _open_archive(body: IO[bytes]) -> zipfile.ZipFile:
    body.seek(0)
    try:
        return zipfile.ZipFile(body)
    except _BROKEN as error:
        raise UnreadableDocument("The body is no ZIP archive, or a broken one") from error


def _pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The file's bytes: never more than the table of contents says."""
    try:
        with archive.open(info) as file:
            while piece := file.read(_PIECE):
                yield piece
    except _BROKEN as error:
        raise UnreadableDocument(f"{info.filename[:200]!r} cannot be unpacked") from error


def _check_contents(body: IO[bytes], most: int) -> None:
    """Count the files in the table of contents, of which zipfile makes an object each.

    UnreadableDocument without such a table; DocumentTooLarge for a longer one than ``most`` files need.
    """
    tail_at = max(0, body.seek(0, 2) - _END_BYTES - _LONGEST_COMMENT - len(_ZIP64_LOCATOR) - 16)
    body.seek(tail_at)
    tail = body.read()
    at = len(tail) - _END_BYTES
    if not (tail[at:].startswith(_END) and tail.endswith(b"\0\0")):
        at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise UnreadableDocument("The body is no ZIP archive, or a broken one")
    if tail[max(0, at - 20) : at].startswith(_ZIP64_LOCATOR):
        raise UnreadableDocument("Send an archive without ZIP64: it is made for larger ones")
    size = int.from_bytes(tail[at + 12 : at + 16], "little")
    if size > most * _DESCRIPTION:
        raise DocumentTooLarge(
            f"An archive may have {most} files, with names that fit into {_DESCRIPTION} bytes"
        )
    if tail_at + at < size:
        raise UnreadableDocument("The body is no ZIP archive, or a broken one")
    body.seek(tail_at + at - size)
    _count_entries(body.read(size), most)


def _count_entries(table: bytes, most: int) -> None:
    at = count = 0
    while table.startswith(_HEAD, at) and at + _HEAD_BYTES <= len(table):
        count += 1
        if count > 2 * most:  # folders among them
            raise DocumentTooLarge(f"An archive of a batch may have {most} files (MAX_BATCH_DOCUMENTS)")
        lengths = (table[at + offset : at + offset + 2] for offset in (28, 30, 32))
        at += _HEAD_BYTES + sum(int.from_bytes(length, "little") for length in lengths)
