"""The disk of the blob store is full for a while: submits are refused, and what was accepted is not lost."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.chaos.attack import Attack
from tests.chaos.load import Load
from tests.chaos.requirements import small_disk
from tests.chaos.stack import Target, running
from tests.system.running import until

pytestmark = pytest.mark.timeout(900)

DISK_MB = 192
OUTLASTED_SECONDS = 15.0
"""Less than passes from a stage's first attempt to its last."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("disk") / "blobs", DISK_MB) as folder:
        yield folder


@pytest.fixture(scope="module")
def cramped(disk: Path) -> Iterator[Target]:
    """A stack whose blobs are on a small disk of their own."""
    with running(BLOB_URL=disk.as_uri()) as target:
        yield target


def test_a_full_disk(cramped: Target, disk: Path, attack: Attack, run: int) -> None:
    """What was given up meanwhile is run again by its operator, who has made room.

    Jobs outlast a disk that is full for seconds by themselves.
    """

    def fill(target: Target, load: Load) -> None:
        refused = load.ledger.answers["503"]
        filler = _filled(disk)
        load.one_more()
        until(lambda: load.ledger.answers["503"] > refused)
        load.goes_on_for(load.frozen_seconds)
        filler.unlink()
        load.replay()

    account = attack(cramped, fill, seed=run)

    assert account.replayed == 0 or attack.scale.frozen_seconds > OUTLASTED_SECONDS


def _filled(folder: Path) -> Path:
    """A file that leaves no room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(folder).free < 4096
    return filler
