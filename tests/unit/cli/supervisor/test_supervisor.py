"""The supervisor, on small programs of our own: order, restarts, stops, nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Thread

import psutil
import pytest

from cli.shell.exits import INTERRUPTED
from cli.supervisor.lockfile import lock_home
from cli.supervisor.orphan_guard import guarding_orphans
from cli.supervisor.runner import RunContext, wait_until_hung
from cli.supervisor.service import Service
from cli.supervisor.supervisor import Supervisor
from rag.errors import Conflict, Unavailable

LOOK_SECONDS = 0.5

SLEEPER = "import time\nwhile True: time.sleep(60)"
STUBBORN = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
    while True: time.sleep(60)
"""
PARENT = """
    import subprocess, sys, time
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("born", flush=True)
    while True: time.sleep(60)
"""


class Notes:
    """An observer that remembers, in order, as (what, service)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.lines: list[str] = []
        self.deaths: list[str] = []

    def show_ready(self, service: str, seconds: float) -> None:
        self.events.append(("ready", service))

    def show_death(self, service: str, how: str, *, restart: int, wait: float) -> None:
        self.events.append(("died", service))
        self.deaths.append(f"{service} {how} {restart}")

    def show_back(self, service: str, seconds: float) -> None:
        self.events.append(("back", service))

    def show_stop(self, service: str, seconds: float) -> None:
        self.events.append(("stopped", service))

    def show_line(self, service: str, line: str) -> None:
        self.lines.append(f"{service}: {line}")

    def of(self, what: str) -> list[str]:
        return [service for event, service in self.events if event == what]


class Stack:
    """Runs parts in a folder; ``acts`` happen in a thread while they run."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.notes = Notes()

    def run(
        self,
        parts: Sequence[Service],
        acts: Callable[[], None] | None = None,
        *,
        signals: Sequence[int] = (signal.SIGTERM,),
        ready: Callable[[], None] = lambda: None,
    ) -> int:
        """Start, act once all are ready, send ourselves the signals, and wait for the end."""
        with lock_home(self.home) as stack_file, guarding_orphans() as guard:
            around = RunContext(
                folder=self.home,
                logs=self.home / "logs",
                environment=dict(os.environ),
                observer=self.notes,
                guard=guard,
                stack_file=stack_file,
            )

            failures: list[AssertionError] = []

            def play() -> None:
                try:
                    (acts or (lambda: None))()
                except AssertionError as failure:
                    failures.append(failure)
                finally:
                    for number in signals:
                        os.kill(os.getpid(), number)

            def begin() -> None:
                ready()
                Thread(target=play, daemon=True).start()

            async def go() -> int:
                return await Supervisor(parts, around).run(on_ready=begin, on_stop=lambda: None)

            status = asyncio.run(go())
            for failure in failures:
                raise failure
            return status


@pytest.fixture(autouse=True)
def _frequent_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.supervisor.runner.WATCH_SECONDS", LOOK_SECONDS)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    yield Stack(tmp_path)
    assert _processes_in(tmp_path) == []


def _processes_in(folder: Path) -> list[psutil.Process]:
    """Every living process that runs in ``folder``, whoever its parent is."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _part(name: str, program: str, **more: object) -> Service:
    return Service(name, (sys.executable, "-c", textwrap.dedent(program)), **more)  # type: ignore[arg-type] - a test's shorthand


def _until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came"
        time.sleep(0.01)


def _log(home: Path, name: str) -> str:
    path = home / "logs" / f"{name}.log"
    return path.read_text() if path.exists() else ""


def test_parts_start_when_what_they_need_is_ready_and_stop_by_rank(stack: Stack) -> None:
    order: list[str] = []

    def slow(_pid: int) -> str | None:
        order.append("probed")
        return None if len(order) > 3 else "warming up"

    first = _part("first", SLEEPER, probe=slow, stop_rank=2)
    second = _part("second", SLEEPER, needs=("first",), stop_rank=0)
    third = _part("third", SLEEPER, needs=("second",), stop_rank=1)

    status = stack.run([third, second, first])

    assert status == 0
    assert stack.notes.of("ready") == ["first", "second", "third"]
    assert stack.notes.of("stopped") == ["second", "third", "first"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_stops_in_order(stack: Stack, number: int) -> None:
    status = stack.run([_part("one", SLEEPER)], signals=[number])

    assert status == 0
    assert stack.notes.of("stopped") == ["one"]


def test_a_part_that_dies_is_restarted_and_said_so(stack: Stack) -> None:
    victims: list[int] = []

    def probe(pid: int) -> str | None:
        victims.append(pid)
        return None

    def kill_it() -> None:
        os.kill(victims[-1], signal.SIGKILL)
        _until(lambda: stack.notes.of("back") == ["one"])

    stack.run([_part("one", SLEEPER, probe=probe)], kill_it)

    assert stack.notes.deaths == ["one signal SIGKILL 1"]
    assert len(set(victims)) == 2


def test_a_part_that_hangs_is_ended_and_restarted_and_the_reason_is_said(stack: Stack) -> None:
    pids: list[int] = []

    def watch(pid: int) -> str | None:
        pids.append(pid)
        return "it does not answer" if pid == pids[0] else None

    part = _part("one", STUBBORN, watch=watch, hang_seconds=0.1)

    stack.run([part], lambda: _until(lambda: stack.notes.of("back") == ["one"], 30))

    assert stack.notes.deaths == ["one signal SIGKILL because it hung: it does not answer 1"]


def test_a_stopped_part_is_ended_too(stack: Stack) -> None:
    victims: list[int] = []

    def watch(pid: int) -> str | None:
        if not victims:
            victims.append(pid)
            os.kill(pid, signal.SIGSTOP)
        return "it does not answer" if pid in victims else None

    stack.run(
        [_part("one", SLEEPER, watch=watch, hang_seconds=0.1)],
        lambda: _until(lambda: stack.notes.of("back") == ["one"], 30),
    )

    assert stack.notes.of("died") == ["one"]


def test_one_look_that_finds_something_wrong_is_not_enough(stack: Stack) -> None:
    looks: list[int] = []

    def watch(pid: int) -> str | None:
        looks.append(pid)
        return "it is late" if len(looks) % 2 else None

    part = _part("one", SLEEPER, watch=watch, hang_seconds=2.5 * LOOK_SECONDS)

    stack.run([part], lambda: _until(lambda: len(looks) == 4, 60))

    assert stack.notes.deaths == []
    assert len(set(looks)) == 1


def test_a_part_that_was_never_ready_is_not_taken_for_hung(tmp_path: Path) -> None:
    looks: list[int] = []

    def watch(pid: int) -> str | None:
        looks.append(pid)
        return "it is not there yet" if len(looks) < 3 else "it does not answer" if len(looks) > 3 else None

    why = asyncio.run(
        wait_until_hung(_part("one", SLEEPER, watch=watch, hang_seconds=0.1), 1, was_ready=False)
    )

    assert why == "it does not answer"
    assert len(looks) == 4


def test_the_children_of_a_part_that_died_go_with_it(stack: Stack) -> None:
    groups: list[int] = []

    def probe(pid: int) -> str | None:
        groups.append(pid)
        return None if "born" in _log(stack.home, "family") else "no child yet"

    def kill_the_parent() -> None:
        child = psutil.Process(groups[-1]).children()[0]
        os.kill(groups[-1], signal.SIGKILL)
        _until(lambda: stack.notes.of("back") == ["family"])
        _until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)

    stack.run([_part("family", PARENT, probe=probe)], kill_the_parent)

    assert stack.notes.of("stopped") == ["family"]


def test_a_crash_loop_is_slowed_down(stack: Stack) -> None:
    marker = stack.home / "started"
    program = f"""
        import pathlib, sys, time
        marker = pathlib.Path({str(marker)!r})
        if marker.exists(): sys.exit(7)
        marker.touch()
        time.sleep(0.05)
    """

    def two_restarts() -> None:
        _until(lambda: len(stack.notes.deaths) >= 3)

    stack.run([_part("looping", program, probe=lambda _pid: None)], two_restarts)

    assert stack.notes.deaths[1:3] == ["looping exit status 7 2", "looping exit status 7 3"]


def test_the_last_words_of_a_part_that_fails_are_shown(stack: Stack) -> None:
    program = """
        import sys, time
        from pathlib import Path

        while not Path("end").exists(): time.sleep(0.05)
        print("first words", flush=True)
        sys.exit("INFO the last words")
    """
    part = _part("one", program, probe=lambda _pid: None)

    def fail() -> None:
        (stack.home / "end").touch()
        _until(lambda: bool(stack.notes.deaths))

    stack.run([part], fail)

    assert stack.notes.deaths[0] == "one exit status 1 1"
    assert "one: INFO the last words" in stack.notes.lines
    assert "one: first words" not in stack.notes.lines


def test_why_a_part_does_not_come_back_is_said_in_lines_without_those_of_its_predecessor(
    stack: Stack,
) -> None:
    program = """
        import time
        from pathlib import Path

        first = not Path("begun").exists()
        Path("begun").touch()
        print("first life" if first else "second life", flush=True)
        while not (first and Path("end").exists()): time.sleep(0.05)
    """
    part = _part(
        "one",
        program,
        probe=lambda _pid: "not ready" if (stack.home / "end").exists() else None,
        start_timeout=0.5,
    )

    def end() -> None:
        _until(lambda: "first life" in _log(stack.home, "one"))
        (stack.home / "end").touch()
        _until(lambda: any("Its log" in line for line in stack.notes.lines))

    stack.run([part], end)

    assert "one:     second life" in stack.notes.lines
    assert not any("first life" in line or "\n" in line for line in stack.notes.lines)


def test_a_part_that_cannot_start_ends_the_stack_with_its_last_words(stack: Stack) -> None:
    fine = _part("fine", SLEEPER)
    broken = _part(
        "broken", "print('the model is missing'); raise SystemExit(69)", probe=lambda _pid: "not ready"
    )

    with pytest.raises(Unavailable) as raised:
        stack.run([fine, broken])

    assert "broken ended with exit status 69" in str(raised.value)
    assert "the model is missing" in str(raised.value)
    assert stack.notes.of("stopped") == ["fine"]


def test_a_program_that_is_not_there_ends_the_stack(stack: Stack) -> None:
    with pytest.raises(Unavailable, match="ghost"):
        stack.run([Service("ghost", ("/nowhere/at/all",))])


def test_a_part_that_never_gets_ready_ends_the_stack(stack: Stack) -> None:
    part = _part("slow", SLEEPER, probe=lambda _pid: "still loading", start_timeout=0.2)

    with pytest.raises(Unavailable, match="not ready within 0 s: still loading"):
        stack.run([part])


def test_a_deaf_part_is_killed_after_its_grace(stack: Stack) -> None:
    def deaf(_pid: int) -> str | None:
        return None if "deaf" in _log(stack.home, "stubborn") else "not yet"

    part = _part("stubborn", STUBBORN, probe=deaf, stop_signals=((signal.SIGTERM, 0.2),))

    assert stack.run([part]) == 0
    assert stack.notes.of("stopped") == ["stubborn"]


def test_a_second_signal_hurries(stack: Stack) -> None:
    def deaf(_pid: int) -> str | None:
        return None if "deaf" in _log(stack.home, "stubborn") else "not yet"

    part = _part("stubborn", STUBBORN, probe=deaf, stop_signals=((signal.SIGTERM, 120.0),))

    def two_signals() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.1)  # sooner, it is taken for the first one's echo

    began = time.monotonic()
    stack.run([part], two_signals, signals=[signal.SIGINT])

    assert time.monotonic() - began < 30


def test_a_second_sigterm_hurries_nothing(stack: Stack) -> None:
    program = """
        import signal, time
        from pathlib import Path

        signal.signal(signal.SIGTERM, lambda *_: (time.sleep(3.5), Path("finished").touch(), exit(0)))
        print("ready", flush=True)
        while True: time.sleep(60)
    """

    def ready(_pid: int) -> str | None:
        return None if "ready" in _log(stack.home, "one") else "not yet"

    def ask_to_stop() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1.1)

    stack.run([_part("one", program, probe=ready, stop_signals=((signal.SIGTERM, 30.0),))], ask_to_stop)

    assert (stack.home / "finished").exists()


def test_work_decides_the_status_and_once_stops(tmp_path: Path) -> None:
    notes = Notes()
    with lock_home(tmp_path) as stack_file, guarding_orphans() as guard:
        around = RunContext(tmp_path, tmp_path / "logs", dict(os.environ), notes, guard, stack_file)
        supervisor = Supervisor([_part("one", SLEEPER)], around)
        status = asyncio.run(
            supervisor.run(on_ready=lambda: None, on_stop=lambda: None, work=lambda: 3, once=True)
        )

    assert status == 3
    assert notes.of("stopped") == ["one"]


def test_work_that_a_signal_cuts_off_is_not_waited_for(tmp_path: Path) -> None:
    program = """
        import asyncio, os, sys, time
        from pathlib import Path
        from cli.supervisor.lockfile import lock_home
        from cli.supervisor.runner import RunContext
        from cli.supervisor.service import Service
        from cli.supervisor.supervisor import Supervisor
        from cli.supervisor.orphan_guard import guarding_orphans
        from tests.unit.cli.supervisor.test_supervisor import SLEEPER, Notes

        home = Path(sys.argv[1])

        def work():
            print("at work", flush=True)
            time.sleep(600)

        with lock_home(home) as stack_file, guarding_orphans() as guard:
            around = RunContext(home, home / "logs", dict(os.environ), Notes(), guard, stack_file)
            part = Service("one", (sys.executable, "-c", SLEEPER))
            running = Supervisor([part], around).run(on_ready=lambda: None, on_stop=lambda: None, work=work)
            sys.exit(asyncio.run(running))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "at work\n"
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=30)
        finally:
            process.kill()

    assert (process.returncode, complaints) == (INTERRUPTED, "")


def test_work_that_fails_raises_where_it_was_asked_for(tmp_path: Path) -> None:
    def fail() -> int:
        raise Conflict("no")

    with lock_home(tmp_path) as stack_file, guarding_orphans() as guard:
        around = RunContext(tmp_path, tmp_path / "logs", dict(os.environ), Notes(), guard, stack_file)
        supervisor = Supervisor([_part("one", SLEEPER)], around)
        with pytest.raises(Conflict):
            asyncio.run(supervisor.run(on_ready=lambda: None, on_stop=lambda: None, work=fail))


def test_warnings_and_errors_reach_the_terminal_and_everything_the_log(stack: Stack) -> None:
    program = """
        import time
        print("INFO all is well")
        print("[2026-11-23 10:00:00,000: WARNING/MainProcess] hot")
        print("Traceback (most recent call last):")
        print('  File "x.py", line 1')
        print("ValueError: no")
        print("INFO well again", flush=True)
        while True: time.sleep(60)
    """
    part = _part(
        "talker", program, probe=lambda _pid: None if "well again" in _log(stack.home, "talker") else "quiet"
    )

    stack.run([part])

    assert stack.notes.lines == [
        "talker: [2026-11-23 10:00:00,000: WARNING/MainProcess] hot",
        "talker: ValueError: no",
    ]
    assert "INFO all is well" in _log(stack.home, "talker")


def test_a_home_is_held_by_one_stack(tmp_path: Path) -> None:
    with lock_home(tmp_path) as stack_file:
        stack_file.kill_leftovers()
        with pytest.raises(Conflict, match=f"process {os.getpid()}"), lock_home(tmp_path):
            pass


def test_a_killed_supervisor_leaves_nothing(tmp_path: Path) -> None:
    supervisor = _supervisor_process(tmp_path)
    _until(lambda: "born" in _log(tmp_path, "family"))
    assert len(_processes_in(tmp_path)) == 2

    supervisor.kill()
    supervisor.wait()

    _until(lambda: _processes_in(tmp_path) == [])


def test_the_next_start_ends_what_even_the_orphan_guard_could_not(tmp_path: Path) -> None:
    supervisor = _supervisor_process(tmp_path)
    _until(lambda: "born" in _log(tmp_path, "family"))
    for guard in psutil.Process(supervisor.pid).children():
        if guard.name() == "sh":
            guard.kill()
    supervisor.kill()
    supervisor.wait()

    with lock_home(tmp_path) as stack_file:
        assert stack_file.kill_leftovers() == ["family"]

    _until(lambda: _processes_in(tmp_path) == [])


def test_the_orphan_guard_is_replaced_when_it_is_killed() -> None:
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with guarding_orphans() as guard:
        shell = psutil.Process(guard._shell.pid)
        shell.kill()
        shell.wait()
        guard.guard(sleeper.pid)
        assert guard._shell.stdin is not None
        guard._shell.stdin.close()  # as the end of this process would

        assert sleeper.wait(10) == -signal.SIGTERM


def _supervisor_process(home: Path) -> "subprocess.Popen[bytes]":
    """A supervisor of one part, in a process of its own that can be killed."""
    program = f"""
        import pathlib, sys
        sys.path[:0] = {sys.path!r}
        from tests.unit.cli.supervisor.test_supervisor import PARENT, Stack, _part
        stack = Stack(pathlib.Path({str(home)!r}))
        stack.run([_part("family", PARENT)], lambda: __import__("time").sleep(600))
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parents[4])
