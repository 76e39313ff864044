"""The clock of the whole machine jumps under load, forwards and backwards."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from struct import Struct

import httpx
import pytest

from tests.chaos.attack import Attack
from tests.chaos.blows import until_held
from tests.chaos.load import Load, Scale
from tests.chaos.requirements import compiled
from tests.chaos.stack import Target, running
from tests.system.running import until

pytestmark = pytest.mark.timeout(900)

HOUR = 3600
SOURCE = Path(__file__).parent / "faults" / "clock.c"

_SECONDS = Struct("=q")


class Clock:
    """The time that the parts of a stack see; ``library`` moves it by what stands in ``file``."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self._file.write_bytes(_SECONDS.pack(0))
        self.environment = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(file)}

    def set(self, seconds: int) -> None:
        """So far ahead of the true time."""
        with self._file.open("r+b", buffering=0) as file:
            file.write(_SECONDS.pack(seconds))


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    folder = tmp_path_factory.mktemp("clock")
    return Clock(compiled(SOURCE, folder), folder / "seconds")


@pytest.fixture(scope="module")
def timed(clock: Clock, scale: Scale) -> Iterator[Target]:
    """A stack that lives by ``clock``, with traps in its parts."""
    with running(rigged=True, **scale.settings, **clock.environment) as target:
        yield target


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forwards", "backwards"])
def test_a_clock_that_jumps(timed: Target, clock: Clock, attack: Attack, jump: int, run: int) -> None:
    """Whoever dies then leaves a lease that is an hour too long or too short; nobody looks dead who is not.

    A question under way may have missed its deadline, and then fails saying so.
    """

    def jump_clock(target: Target, load: Load) -> None:
        until_held(target, "embed", "embed_passages")
        clock.set(jump)
        target.until_replaced("worker-embed", target.hit("worker-embed"))
        until(lambda: abs(_ahead(timed) - jump) < HOUR / 4)
        timed.until_whole()
        load.goes_on_for(load.frozen_seconds)

    try:
        attack(timed, jump_clock, seed=run, also={"query": {"failed"}})
    finally:
        clock.set(0)
    assert "because it hung" not in timed.printed


def _ahead(target: Target) -> float:
    """Seconds from the true time to the one that the newest job was recorded at."""
    newest = httpx.get(f"{target.url}/v1/jobs", params={"limit": 1}, timeout=30).json()["items"][0]
    return datetime.fromisoformat(newest["created_at"]).timestamp() - time.time()
