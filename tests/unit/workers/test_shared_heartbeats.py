"""What a worker of two lanes reports: of each lane, and of none what only the other does."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery.worker import state

from rag.redis.heartbeats import SLACK_SECONDS, WorkerSign
from rag.settings import Settings
from tasks.lane_groups import LaneGroup
from tasks.lanes import lane_named
from workers import heartbeat
from workers.heartbeat import Heartbeat, Intake


@dataclass
class Scene:
    """A worker whose clock and tasks the test sets; it is also what heartbeats are sent to."""

    intake: Intake
    file: Path
    now: float = 1000.0
    signs: dict[str, WorkerSign] = field(default_factory=dict)
    turns: list[str] = field(default_factory=list)

    def work(self, sign: WorkerSign) -> None:
        self.signs[sign.lane] = sign

    def turn(self, lane: str, seconds: float) -> bool:
        self.turns.append(lane)
        return False


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(Intake(LaneGroup.of(["parse", "index"], "solo")), tmp_path / "alive")
    monkeypatch.setattr(heartbeat, "monotonic", lambda: made.now)
    monkeypatch.setattr(state, "requests", {})
    monkeypatch.setattr("rag.system.liveness.monotonic", lambda: made.now)
    return made


@pytest.fixture
def beats(scene: Scene, tmp_path: Path) -> Heartbeat:
    settings = Settings(aegis_home=tmp_path, liveness_file=scene.file)
    return Heartbeat(scene.intake, "parse+index@here", "holder", settings, scene)  # type: ignore[arg-type]


def _run(task: str, queue: str) -> None:
    """Have the worker run this task and no other."""
    request = SimpleNamespace(id=task, time_start=1.0, delivery_info={"routing_key": queue})
    state.requests.clear()
    state.requests[task] = request


def test_each_lane_has_a_sign_of_the_same_process_and_its_own_canaries(
    scene: Scene, beats: Heartbeat
) -> None:
    beats.beat()

    assert set(scene.signs) == {"parse", "index"} == set(scene.turns)
    assert len({sign.pid for sign in scene.signs.values()}) == 1
    assert {sign.holder for sign in scene.signs.values()} == {"holder"}


def test_a_lane_whose_queue_gives_nothing_hangs_while_the_other_s_is_taken_from(
    scene: Scene, beats: Heartbeat
) -> None:
    for _ in range(20):
        scene.now += 2
        scene.intake.note("index")
        beats.beat()

    assert scene.signs["index"].hang() is None
    assert "taken nothing from its queue" in (scene.signs["parse"].hang() or "")
    scene.file.unlink()
    scene.now += 2
    beats.beat()
    assert not scene.file.exists()


def test_a_lane_that_waits_for_the_other_s_task_is_alive_for_as_long_as_that_may_take(
    scene: Scene, beats: Heartbeat
) -> None:
    _run("job.parse.1", "parse")
    scene.intake.note("parse")
    beats.beat()
    longest = lane_named("parse").limit(Settings()) + SLACK_SECONDS

    scene.now += longest - 1
    beats.beat()
    index = scene.signs["index"]
    assert (index.hang(), index.task) == (None, "job.parse.1")

    scene.now += 2
    beats.beat()
    assert "job.parse.1 has run for" in (scene.signs["index"].hang() or "")


def test_one_task_after_another_of_one_lane_is_no_long_task_for_the_other(
    scene: Scene, beats: Heartbeat
) -> None:
    for number in range(600):
        _run(f"job.parse.{number}", "parse")
        scene.intake.note("parse")
        scene.now += 2
        beats.beat()

    assert scene.signs["index"].hang() is None
    assert scene.signs["index"].busy is not None
    assert scene.signs["index"].busy < 4
