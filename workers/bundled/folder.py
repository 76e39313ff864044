"""Writes the folder of a built model: whole or not at all, and never twice."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version

from rag.errors import ModelError
from workers.bundled.release import ModelFiles, Release


@contextmanager
def draft_folder(files: ModelFiles) -> Iterator[ModelFiles]:
    """A folder beside the final one, to fill and then to rename. ModelError when it cannot be written.

    It is made before the model is computed, so that a folder that cannot be written fails early.
    """
    draft = ModelFiles(files.folder.with_name(f".{files.folder.name}-{os.getpid()}"))
    try:
        draft.folder.mkdir(parents=True)
        yield draft
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(
            f"{files.folder} cannot be written ({reason}): set MODEL_DIR to a folder that can"
        ) from error
    finally:
        shutil.rmtree(draft.folder, ignore_errors=True)


def put_in_place(draft: ModelFiles, files: ModelFiles) -> None:
    """Give the written draft the name of the final folder, unless a whole one is there by now."""
    if files.folder.exists() and not files.complete():
        broken = draft.folder.with_suffix(".broken")
        files.folder.rename(broken)
        shutil.rmtree(broken)
    try:
        draft.folder.rename(files.folder)
    except OSError:
        if not files.complete():  # else another process has put the same files there first
            raise


def write_model(
    release: Release, draft: ModelFiles, contents: Mapping[str, bytes], facts: Mapping[str, object]
) -> None:
    """Write the files and their manifest, which tells ``facts`` besides what they were made from."""
    for name, data in contents.items():
        _write_synced(draft, name, data)
    # no times and no paths: the same source and versions give the same bytes
    manifest = {
        "name": release.name,
        "recipe_version": release.recipe_version,
        "source": dict(release.digests),
        "sizes": {name: len(data) for name, data in contents.items()},
        "sha256": {name: sha256(data).hexdigest() for name, data in contents.items()},
        "versions": {package: version(package) for package in ("onnx", "onnxruntime", "numpy", "tokenizers")},
        **facts,
    }
    _write_synced(draft, draft.manifest.name, json.dumps(manifest, indent=2).encode() + b"\n")


def _write_synced(draft: ModelFiles, name: str, data: bytes) -> None:
    with (draft.folder / name).open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
