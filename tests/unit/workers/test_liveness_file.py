"""When a worker touches the file that its container's health check looks at."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery.worker import state

from rag.errors import Unavailable
from rag.redis.heartbeats import SLACK_SECONDS, WorkerSign
from rag.settings import Settings
from rag.system.liveness import LivenessFile
from tasks.lane_groups import alone
from tasks.lanes import lane_named
from workers import heartbeat
from workers.heartbeat import Heartbeat, Intake

LANE = lane_named("parse")


@dataclass
class Broker:
    """What heartbeats are sent to. ``away``: it does not answer."""

    away: bool = False
    signs: list[WorkerSign] = field(default_factory=list)

    def work(self, sign: WorkerSign) -> None:
        if self.away:
            raise Unavailable("Redis: away")
        self.signs.append(sign)

    def turn(self, lane: str, seconds: float) -> bool:
        return False


@dataclass
class Scene:
    """A worker whose clock and pool the test sets."""

    broker: Broker
    beats: Heartbeat
    file: Path
    now: float = 1000.0

    def touches_after(self, seconds: float) -> bool:
        """Whether its next heartbeat, so many seconds later, touches the file."""
        self.file.unlink(missing_ok=True)
        self.now += seconds
        try:
            self.beats.beat()
        except Unavailable:
            assert self.broker.away
        return self.file.exists()


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    broker, file = Broker(), tmp_path / "alive"
    settings = Settings(aegis_home=tmp_path, liveness_file=file)
    intake = Intake(alone(LANE))
    made = Scene(broker, Heartbeat(intake, "parse@here", "holder", settings, broker), file)
    monkeypatch.setattr(heartbeat, "monotonic", lambda: made.now)
    made.beats = Heartbeat(intake, "parse@here", "holder", settings, broker)
    monkeypatch.setattr(state, "requests", {})
    monkeypatch.setattr("rag.system.liveness.monotonic", lambda: made.now)
    return made


def test_a_worker_that_takes_tasks_touches_it(scene: Scene) -> None:
    assert scene.touches_after(2)


def test_a_worker_that_takes_nothing_does_not(scene: Scene) -> None:
    silence = Settings().silence_seconds

    assert scene.touches_after(silence - 1)
    assert not scene.touches_after(2)
    assert scene.broker.signs[-1].hang()


def test_a_worker_whose_pool_hangs_does_not(scene: Scene) -> None:
    state.requests["hung"] = SimpleNamespace(id="job.parse.1", time_start=1.0)
    longest = LANE.limit(Settings()) + SLACK_SECONDS
    assert scene.touches_after(2)

    assert scene.touches_after(longest - 1)
    assert not scene.touches_after(2)
    assert "job.parse.1 has run for" in (scene.broker.signs[-1].hang() or "")


def test_while_the_broker_is_away_nothing_is_held_against_a_worker(scene: Scene) -> None:
    scene.broker.away = True

    assert scene.touches_after(3600)


def test_a_worker_that_hangs_after_the_broker_is_back_has_had_time_to_connect(scene: Scene) -> None:
    scene.broker.away = True
    scene.touches_after(3600)
    scene.broker.away = False

    assert scene.touches_after(heartbeat.RECONNECT_SECONDS)
    assert not scene.touches_after(Settings().silence_seconds + 1)


def test_it_is_touched_every_two_seconds_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 50.0
    monkeypatch.setattr("rag.system.liveness.monotonic", lambda: now)
    liveness = LivenessFile(tmp_path / "alive")
    liveness.touch()
    (tmp_path / "alive").unlink()

    liveness.touch()
    soon = (tmp_path / "alive").exists()
    now += 2
    liveness.touch()

    assert not soon
    assert (tmp_path / "alive").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_said_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    LivenessFile(tmp_path / "missing" / "alive").touch()

    assert "LIVENESS_FILE" in caplog.text


def test_without_the_setting_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    LivenessFile(Settings().liveness_file).touch()

    assert not list(tmp_path.iterdir())
