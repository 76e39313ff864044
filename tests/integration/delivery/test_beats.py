"""Two real beats on one real broker: each run is sent once, whoever is killed meanwhile.

The entry that is watched runs hourly; its record is set so that it is due when a test wants it.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic, time

import pytest
from redis import Redis

from beat.command import command as beat_command
from beat.schedule import HOUR
from rag.redis.connection import connect
from rag.redis.embedded import command as broker_command
from rag.redis.heartbeats import Heartbeats
from rag.redis.schedule import EntryRecord, Runs
from rag.settings import Settings
from tests.integration.brokers import declare_intact, ready
from tests.system.running import until

ENTRY, TASK = "make a backup that is late", "aegis.maintenance.backups.make_up"
START_SECONDS = 60.0
FOLLOWED_SECONDS = 30.0


@dataclass
class Beats:
    """A broker and the beats on it."""

    settings: Settings
    environment: dict[str, str]
    beats: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    broker: "subprocess.Popen[bytes] | None" = None
    runs: int = 0

    def start_broker(self) -> None:
        self.broker = subprocess.Popen(broker_command(self.settings))
        ready(self.settings, START_SECONDS)

    def start_beats(self) -> None:
        """Start those of two that are missing, each once the one before shows its sign of life."""
        with (self.settings.home / "beats.log").open("ab") as log:
            while len(self.beats) < 2:
                beat = subprocess.Popen(
                    beat_command(self.settings), env=self.environment, stdout=log, stderr=log
                )
                self.beats.append(beat)
                until(lambda pid=beat.pid: self._ticks(pid), START_SECONDS)  # type: ignore[misc]

    def kill_beat(self) -> None:
        beat = self.beats.pop()
        beat.kill()
        beat.wait(10)

    def kill_broker(self) -> None:
        assert self.broker is not None
        self.broker.kill()
        self.broker.wait(10)

    def due_in(self, seconds: float) -> None:
        """Have the entry run once more, after so many seconds."""
        self.runs += 1
        self.last_ran(HOUR - seconds)

    def last_ran(self, seconds: float) -> None:
        """Have the entry's last run be so long ago."""
        with connect(self.settings) as client:
            runs = Runs(client)

            def swapped() -> bool:
                now, records = runs.read()
                return runs.swap(ENTRY, records.get(ENTRY), EntryRecord(now - seconds))

            until(swapped)

    def sent(self) -> list[str]:
        """The ids of the entry's messages so far."""
        with connect(self.settings) as client:
            headers = [json.loads(message)["headers"] for message in _messages(client)]
        return [header["id"] for header in headers if header["task"] == TASK]

    def until_sent(self) -> float:
        """Seconds until every run so far was sent; none may have been sent twice."""
        begun = monotonic()
        until(lambda: len(self.sent()) >= self.runs, FOLLOWED_SECONDS)
        took = monotonic() - begun
        assert len(set(self.sent())) == len(self.sent()) == self.runs
        return took

    def _ticks(self, pid: int) -> bool:
        with connect(self.settings) as client:
            return pid in {beat["pid"] for beat in Heartbeats(client).read_signs().beats}

    def close(self) -> None:
        for process in (*self.beats, *([self.broker] if self.broker else [])):
            process.kill()
            process.wait(10)


def _messages(client: Redis) -> list[bytes]:
    queues = client.scan_iter("{aegis}:queue:maintenance*", count=1000)
    return [message for queue in queues for message in client.lrange(queue, 0, -1)]


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beats]:
    home = tmp_path_factory.mktemp("beats")
    outside = {name: value for name, value in os.environ.items() if not name.startswith("REDIS_")}
    both = Beats(Settings(aegis_home=home, redis_url=None), {**outside, "AEGIS_HOME": str(home)})
    try:
        both.start_broker()
        with connect(both.settings) as client:
            declare_intact(client)
        both.last_ran(0.0)
        yield both
    finally:
        both.close()


@pytest.fixture
def both(beats: Beats) -> Beats:
    """Two beats that tick."""
    beats.start_beats()
    return beats


def test_two_beats_send_each_run_once(both: Beats) -> None:
    for _ in range(5):
        both.due_in(0.0)

        both.until_sent()


def test_a_broker_that_is_away_at_the_time_of_a_run_delays_it(both: Beats) -> None:
    both.due_in(0.5)
    due_at = time() + 0.5
    both.kill_broker()
    until(lambda: time() > due_at)
    both.start_broker()

    both.until_sent()

    assert all(beat.poll() is None for beat in both.beats)


def test_the_other_beat_goes_on_after_one_was_killed(both: Beats) -> None:
    both.due_in(0.5)
    both.kill_beat()

    assert both.until_sent() < FOLLOWED_SECONDS


def test_what_was_missed_while_all_beats_were_away_is_made_up_for_once(both: Beats) -> None:
    while both.beats:
        both.kill_beat()
    both.due_in(-2 * 24 * HOUR)

    both.start_beats()

    both.until_sent()
