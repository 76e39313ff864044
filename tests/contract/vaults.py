"""Small backups, and stores to keep them in."""

from uuid import uuid4

from rag.backups.objects import Objects
from rag.backups.vault import StreamWriter, Vault, read
from rag.model import Engine, Manifest, SavedCollection, Stream
from tests.contract.buckets import HTTP
from tests.s3server import BUCKET, S3Server, environment

KEY = "a passphrase of some length"
TEXT = b"The lamp of the lighthouse is green. " * 3
PIECE = 40


def in_bucket(server: S3Server, folder: str = "", bucket: str = BUCKET) -> Objects:
    with environment(server.environment):
        return Objects(f"s3://{bucket}/{folder or uuid4()}", HTTP)


def manifest_of(*streams: Stream, name: str = "1", finished_at: float = 2.0) -> Manifest:
    return Manifest(
        id=name, began_at=1.0, finished_at=finished_at, mode="incremental", trigger="request",
        application="1", engine=Engine("edge", "1"), sources="copied", collections=(), streams=streams,
    )  # fmt: skip


def saved_collection(documents: int) -> SavedCollection:
    return SavedCollection(
        name="docs", store="docs-1", generation=1, layout=0, embedding_model="m", dimension=8,
        token_dimension=None,
        created_at=1.0, highest=documents, documents=documents, points=documents, late=0, digest="0",
        packs={}, files=(), documents_stream="documents/docs-1", golden_stream="golden/docs-1",
    )  # fmt: skip


def backed_up(vault: Vault, name: str = "1", text: bytes = TEXT) -> Manifest:
    """A small backup of three parts."""
    stream = Stream("texts", tuple(StreamWriter(vault, PIECE).stream([text])))
    manifest = manifest_of(stream, name=name)
    vault.seal(manifest)
    return manifest


def restored(vault: Vault, name: str = "1") -> bytes:
    """As a restore does it: the vault, the manifest, every object, and then the bytes."""
    vault.probe()
    manifest = vault.manifest(name)
    for part in manifest.parts.values():
        vault.piece(part)
    return b"".join(read(vault, manifest.stream("texts")))


def contents(objects: Objects) -> dict[str, bytes]:
    return {key: objects.get(key) for key in objects.keys("")}


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
