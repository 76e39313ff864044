"""Two beats on one record of runs: once each, whatever becomes of a beat, a message or the clock."""

from collections.abc import Callable

import pytest

from beat.schedule import Entry
from beat.timekeeping import Timekeeper
from rag.redis.schedule import Run
from tests.unit.memoryruns import START, Clock, MemoryRuns

DAY, HOUR, MINUTE = 86400.0, 3600.0, 60.0

SWEEP = Entry("sweep", 15.0, "sweep")
BACKUP = Entry("backup", "7 * * * *", "backup", promised=True)
HOURLY = Entry("hourly", "7 * * * *", "hourly")
DUE = START + 7 * MINUTE


class Beats:
    """Two of them, and every run that they sent as (time since START, entry, run)."""

    def __init__(self, *entries: Entry) -> None:
        self.clock = Clock()
        self.runs = MemoryRuns(self.clock)
        self.sent: list[tuple[float, str, str]] = []
        self.broken: BaseException | None = None
        self.one, self.other = (Timekeeper(entries, self.runs, self._send) for _ in range(2))

    def _send(self, entry: Entry, run: Run) -> None:
        if self.broken is not None:
            raise self.broken
        self.sent.append((self.clock.now - START, entry.name, run.id))

    def go_on(self, seconds: float, *, done: bool = True) -> list[float]:
        """When something was sent while both beat for so long; ``done``: tasks end at once."""
        before = told = len(self.sent)
        until = self.clock.now + seconds
        while self.clock.now < until:
            rest = min(beat.round() for beat in (self.one, self.other))
            for _, entry, run in self.sent[told:] if done else ():
                self.runs.end_run(entry, run)
            told = len(self.sent)
            self.clock.now = min(until, self.clock.now + max(1.0, rest))
        return [at for at, _, _ in self.sent[before:]]


def test_what_has_never_run_does_at_once_or_at_its_time() -> None:
    beats = Beats(SWEEP, BACKUP)

    beats.go_on(10 * MINUTE)

    first = {name: at for at, name, _ in reversed(beats.sent)}
    assert first == {"sweep": 0.0, "backup": 7 * MINUTE}


def test_an_interval_is_kept() -> None:
    assert Beats(SWEEP).go_on(MINUTE) == [0, 15, 30, 45]


def test_two_beats_that_find_the_same_run_due_send_it_once() -> None:
    beats = Beats(HOURLY)
    beats.one.round()
    beats.clock.now = DUE
    beats.runs.meanwhile = beats.other.round

    beats.one.round()

    assert len(beats.sent) == 1


def test_a_beat_tells_when_something_is_due_again() -> None:
    beats = Beats(SWEEP, BACKUP)
    beats.go_on(1)

    assert beats.one.round() == 14


@pytest.mark.parametrize("entry", [HOURLY, BACKUP], ids=lambda entry: entry.name)
def test_a_run_whose_beat_died_before_it_was_sent_is_the_others_within_seconds(entry: Entry) -> None:
    beats = Beats(entry)
    beats.one.round()
    beats.clock.now = DUE
    beats.broken = SystemExit()
    with pytest.raises(SystemExit):
        beats.one.round()
    beats.broken = None

    assert beats.go_on(MINUTE) == [7 * MINUTE + 10]


def test_a_send_that_fails_is_made_again() -> None:
    beats = Beats(HOURLY)
    beats.one.round()
    beats.clock.now = DUE
    beats.broken = ConnectionError()
    with pytest.raises(ConnectionError):
        beats.one.round()
    begun = beats.runs.records["hourly"].run
    beats.broken = None

    beats.go_on(30 * MINUTE)

    assert begun is not None
    assert [run for _, _, run in beats.sent] == [begun.id]


@pytest.mark.parametrize("entry", [SWEEP, HOURLY, BACKUP], ids=lambda entry: entry.name)
def test_what_was_missed_for_two_days_is_made_up_for_once(entry: Entry) -> None:
    beats = Beats(entry)
    beats.go_on(10 * MINUTE)
    beats.clock.now += 2 * DAY

    assert len(beats.go_on(15)) == 1


def test_a_promised_run_is_the_same_until_it_is_done_and_no_other_begins() -> None:
    beats = Beats(BACKUP)
    beats.go_on(7 * MINUTE)

    times = beats.go_on(3 * HOUR, done=False)

    assert len({run for _, _, run in beats.sent}) == 1
    assert [round(at - DUE + START) for at in times[:5]] == [0, 60, 120, 240, 480]
    assert times[-1] - times[-2] == 600
    beats.runs.end_run("backup", beats.sent[0][2])
    assert beats.go_on(MINUTE) == [3 * HOUR + 7 * MINUTE]  # a run of its own, for what became due meanwhile


def test_a_task_may_end_before_its_beat_knows_that_it_was_sent() -> None:
    beats = Beats(BACKUP)
    beats.one.round()
    beats.clock.now = DUE
    beats.one = Timekeeper([BACKUP], beats.runs, lambda entry, run: beats.runs.end_run(entry.name, run.id))

    beats.one.round()

    assert beats.runs.records["backup"].run is None


def test_a_message_of_an_earlier_run_ends_no_later_one() -> None:
    beats = Beats(BACKUP)
    beats.go_on(8 * MINUTE)
    beats.go_on(HOUR, done=False)

    beats.runs.end_run("backup", beats.sent[0][2])

    assert beats.runs.records["backup"].run is not None


@pytest.mark.parametrize("entry", [SWEEP, HOURLY, BACKUP], ids=lambda entry: entry.name)
@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY], ids="{:+g}".format)
def test_a_clock_that_is_set_neither_stops_nor_floods(entry: Entry, jump: float) -> None:
    beats = Beats(entry)
    pace = len(beats.go_on(4 * HOUR))
    beats.clock.now += jump

    assert abs(len(beats.go_on(4 * HOUR)) - pace) <= 1


@pytest.mark.parametrize("jump", [-HOUR, -5.0, 5.0, HOUR], ids="{:+g}".format)
def test_a_run_on_its_way_survives_a_clock_that_is_set(jump: float) -> None:
    beats = Beats(BACKUP)
    beats.go_on(7 * MINUTE + 1, done=False)
    beats.clock.now += jump

    beats.go_on(2 * MINUTE, done=False)

    assert len({run for _, _, run in beats.sent}) == 1
    assert len(beats.sent) > 1


def test_a_server_that_is_seconds_behind_the_one_before_repeats_nothing() -> None:
    beats = Beats(HOURLY)
    beats.go_on(7 * MINUTE + 1)
    beats.clock.now -= 30

    assert beats.go_on(10 * MINUTE) == []


def _sweeps(beats: Beats) -> Callable[[], int]:
    return lambda: sum(name == "sweep" for _, name, _ in beats.sent)


def test_an_entry_that_cannot_be_sent_holds_no_other_up() -> None:
    beats = Beats(BACKUP, SWEEP)
    beats.go_on(1)
    sweeps, before = _sweeps(beats), len(beats.sent)
    beats.clock.now = DUE
    beats.broken = ConnectionError()
    with pytest.raises(ConnectionError):
        beats.one.round()
    beats.broken = None

    beats.one.round()

    assert sweeps() == before + 1
