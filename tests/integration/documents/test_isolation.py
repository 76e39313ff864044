"""A confined process that was taken over reaches nothing, and a system that lacks a mechanism says so."""

import faulthandler
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import certifi
import psutil
import pytest

from rag import isolation, media
from rag.isolation import Confinement, landlock, privileges, seccomp
from rag.isolation.kernel import LINUX
from rag.parsing.parser import IsolatedParser
from rag.settings import Settings
from tests.integration import takeover
from tests.integration.takeover import ATTEMPTS, Attempt, Victim, confined, outcome

pytestmark = pytest.mark.skipif(not LINUX, reason="other systems have none of it")

LANDLOCKED = (
    takeover.read_environment, takeover.read_blob, takeover.read_passwords, takeover.list_blobs,
    takeover.write_blob, takeover.write_temporary, takeover.remove_blob, takeover.execute,
    takeover.speak_to_abstract, takeover.speak_tcp, takeover.listen_tcp, takeover.signal_victim,
    takeover.trace_victim,
)  # fmt: skip

REFUSED_ELSEWHERE = (takeover.read_memory, takeover.trace_victim, takeover.queue_io, takeover.take_namespaces)
"""By some systems to everybody who is not root."""


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    """Not below pytest's folder, which only its user may enter: no mode of a folder shall be what refuses."""
    with TemporaryDirectory(prefix="aegis-") as home, takeover.victim(Path(home)) as one:
        yield one


@pytest.fixture(scope="module", autouse=True)
def everything_is_here() -> None:
    """These tests are for systems that have all of it; what one lacks is said by the doctor."""
    if lacking := list(isolation.missing(isolation.survey(Confinement()))):
        pytest.skip(f"this system lacks {', '.join(map(str, lacking))}")


def named(attempt: Attempt) -> str:
    return getattr(attempt, "__name__", str(attempt))


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=named)
def test_a_process_that_was_taken_over_reaches_nothing(victim: Victim, attempt: Attempt) -> None:
    assert outcome(partial(attempt, victim), confined(Confinement())) != "done"
    assert sorted(path.name for path in (victim.home / "blobs").iterdir()) == ["tenant"]


SITE = """
from pathlib import Path
import json
from rag.parsing import plain
from tests.integration import takeover

def taken_over(data):
    victim = takeover.Victim(Path(data["home"]), data["pid"], data["port"])
    outcomes = {attempt.__name__: takeover.told(lambda: attempt(victim)) for attempt in takeover.ATTEMPTS}
    return {"outcomes": outcomes, "descriptors": takeover.open_descriptors()}

honest = plain.text
plain.text = lambda data: honest(json.dumps(taken_over(json.loads(data))).encode())
"""


def test_a_parser_that_was_taken_over_reaches_nothing(
    victim: Victim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the very child that an isolated parser has a file parsed in."""
    (tmp_path / "sitecustomize.py").write_text(SITE)
    monkeypatch.syspath_prepend(str(tmp_path))
    order = json.dumps({"home": str(victim.home), "pid": victim.pid, "port": victim.port})

    with IsolatedParser(Settings()) as isolated_parser:
        told = json.loads(isolated_parser.parse(order.encode(), media.TEXT, "order.txt").text)

    assert sorted(told["outcomes"]) == sorted(map(named, ATTEMPTS))
    assert {name: outcome for name, outcome in told["outcomes"].items() if outcome == "done"} == {}
    assert len(told["descriptors"]) == 5, "standard streams, the file behind stderr, the pipe of the answer"


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=named)
def test_the_same_is_possible_without_confinement(victim: Victim, attempt: Attempt) -> None:
    """Or the attempts would prove nothing."""
    try:
        assert outcome(partial(attempt, victim)) == "done" or attempt in REFUSED_ELSEWHERE
    finally:
        (victim.home / "blobs" / "evil").unlink(missing_ok=True)
        if (moved := victim.home / "blobs" / "gone").exists():
            moved.rename(victim.home / "blobs" / "tenant")
        Path(f"/tmp/aegis-evil-{victim.pid}").unlink(missing_ok=True)


def enter_filter() -> None:
    privileges.renounce_new_privileges()
    seccomp.install(Confinement())


def enter_landlock() -> None:
    privileges.renounce_new_privileges()
    landlock.restrict(Confinement())


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=named)
def test_the_filter_of_calls_alone_refuses_it_all(victim: Victim, attempt: Attempt) -> None:
    """As in a container on a kernel without Landlock."""
    assert outcome(partial(attempt, victim), enter_filter) != "done"


@pytest.mark.parametrize("attempt", LANDLOCKED, ids=named)
def test_landlock_alone_refuses_files_tcp_and_signals(victim: Victim, attempt: Attempt) -> None:
    if landlock.abi() < 6:
        pytest.skip("an older Landlock knows less")
    assert outcome(partial(attempt, victim), enter_landlock) != "done"


def compute() -> None:
    thread = threading.Thread(target=sum, args=(range(10),))
    thread.start()
    thread.join()
    ours, theirs = socket.socketpair()
    ours.send(b"x")
    assert theirs.recv(1) == b"x"
    assert sorted(bytearray(10 << 20))[0] == 0


def test_a_confined_process_still_computes() -> None:
    assert outcome(compute, confined(Confinement())) == "done"


def abort_confined() -> None:
    faulthandler.disable()
    takeover.enter_confinement(Confinement())
    os.abort()


def test_an_abort_ends_with_its_own_signal() -> None:
    """By which the owner tells a broken file from a lack of memory."""
    process = takeover.child(abort_confined)
    process.join()
    assert process.exitcode == -signal.SIGABRT


def wait_confined(writing: Connection) -> None:
    takeover.enter_confinement(Confinement())
    writing.send("confined")
    signal.sigwait({signal.SIGTERM})


def test_privileges_are_gone() -> None:
    """The kernel says so of a confined process that waits."""
    reading, writing = Pipe(duplex=False)
    process = takeover.child(wait_confined, writing)
    assert reading.recv() == "confined"
    text = Path(f"/proc/{process.pid}/status").read_text()
    status = dict(line.split(":\t") for line in text.splitlines())
    process.kill()
    process.join()
    for which in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[which], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert "0" not in status["Uid"].split()


# --- the variant that may use the network


def online(*readable: Path) -> Confinement:
    return Confinement(network=True, readable=readable)


def speak(to: Victim, authorities: str) -> None:
    addresses = {entry[4][0] for entry in socket.getaddrinfo("localhost", to.port)}
    assert "127.0.0.1" in addresses
    assert ssl.create_default_context(cafile=authorities).get_ca_certs()
    takeover.speak_udp(to)
    takeover.speak_tcp(to)


def test_one_with_the_network_resolves_names_and_speaks_tcp_udp_and_tls(victim: Victim) -> None:
    names = ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf")
    files = (*map(Path, names), Path(certifi.where()), Path("/not/here"))
    assert outcome(partial(speak, victim, certifi.where()), confined(online(*files))) == "done"


@pytest.mark.parametrize(
    "attempt",
    [
        attempt
        for attempt in ATTEMPTS
        if attempt not in (takeover.speak_tcp, takeover.speak_udp, takeover.look_for_a_file)
    ],
    ids=named,
)
def test_one_with_the_network_and_files_reaches_nothing_else(victim: Victim, attempt: Attempt) -> None:
    assert outcome(partial(attempt, victim), confined(online(Path("/etc/hosts")))) != "done"


def test_a_readable_folder_may_be_read_and_not_written(victim: Victim) -> None:
    enter = confined(Confinement(readable=(victim.home / "blobs",)))
    assert outcome(partial(takeover.read_blob, victim), enter) == "done"
    assert outcome(partial(takeover.list_blobs, victim), enter) == "done"
    for attempt in (takeover.write_blob, takeover.remove_blob, takeover.read_passwords, takeover.execute):
        assert outcome(partial(attempt, victim), enter) != "done"


# --- parents, and what children leave behind


def test_nobody_of_the_same_user_looks_into_a_shielded_process() -> None:
    """Root with all its privileges may: the attempt is made without."""
    program = "from rag import isolation; isolation.forbid_inspection(); print('up', flush=True); input()"
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "SECRET": "x"}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        shielded = Victim(Path(), process.pid, 0)
        for attempt in (takeover.read_environment, takeover.read_memory, takeover.trace_victim):
            assert outcome(partial(attempt, shielded), privileges.drop_capabilities) != "done"
        process.kill()


def test_a_grandchild_does_not_outlive_the_child() -> None:
    """Where no filter refuses a fork, what a child leaves behind is ended with it."""
    program = """
        import os, sys, time
        from rag.isolation import limits
        from rag.parsing.fork_server import _reap
        limits.adopt_orphans()
        reading, writing = os.pipe()
        if not (child := os.fork()):
            os.setpgid(0, 0)
            if not (grandchild := os.fork()):
                os.setsid()
                os.write(writing, str(os.getpid()).encode())
                time.sleep(600)
            time.sleep(600)
        grandchild = os.read(reading, 20).decode()
        _reap(child)
        print(grandchild)
    """
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    told = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60).stdout
    assert not psutil.pid_exists(int(told))
