"""Manifests as JSON."""

from rag.model import Engine, Json, Manifest, SavedCollection, SavedFile, SnapshotFile, StoredPart, Stream


def manifest_of(fields: Json) -> Manifest:
    """KeyError, TypeError for what is no manifest."""
    return Manifest(
        **{
            **fields,
            "engine": Engine(**fields["engine"]),
            "collections": tuple(map(_collection, fields["collections"])),
            "streams": tuple(map(stream_of, fields["streams"])),
            "missing": tuple(fields["missing"]),
        }
    )


def _collection(fields: Json) -> SavedCollection:
    files = tuple(SavedFile(SnapshotFile(**each["file"]), each["stream"]) for each in fields["files"])
    return SavedCollection(**{**fields, "files": files})


def stream_of(fields: Json) -> Stream:
    return Stream(fields["name"], tuple(StoredPart(**part) for part in fields["parts"]))
