"""Builds the folder of a bundled model from its released weights, once, at set-up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from workers.bundled.folder import draft_folder, put_in_place, write_model
from workers.bundled.release import Release
from workers.bundled.wheels import Report, carried_file


@dataclass(frozen=True, slots=True)
class Built:
    """``facts``: how near the int8 ``model`` is to the released one, for the manifest."""

    model: bytes
    tokenizer: bytes
    facts: Mapping[str, object]


def build_folder(release: Release, model_dir: Path, report: Report, make: Callable[[Path], Built]) -> Path:
    """The folder of the built model under ``model_dir``; builds it unless it is there.

    ``report`` takes a line at each step; ``make`` takes the file with the weights. Written whole or not at
    all; safe to run twice at once. Raises ModelError when the weights are not available, when ``make`` does,
    or when ``model_dir`` cannot be written.
    """
    files = release.files(model_dir)
    if files.complete():
        return files.folder
    began = perf_counter()
    with draft_folder(files) as draft, carried_file(release, report) as released:
        report(f"building {release.name} (int8), once")
        built = make(released)
        contents = {draft.model.name: built.model, draft.tokenizer.name: built.tokenizer}
        write_model(release, draft, contents, built.facts)
        put_in_place(draft, files)
    report(f"built {release.name} in {perf_counter() - began:.0f} s: {files.folder}")
    return files.folder
