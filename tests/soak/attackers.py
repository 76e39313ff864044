"""Callers that mean harm, each a loop that begins one attack after another until it is told to stop."""

import json
import multiprocessing
import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

import httpx

from tests.documents.corpus import CORPUS
from tests.soak.attacker import PATIENCE, Answers, Attacker, Target
from tests.soak.shapes import SHAPES

LARGEST_BYTES = 12_000_000

_SPAWN = multiprocessing.get_context("spawn")


def send_hostile_files(attacker: Attacker) -> None:
    """Upload the whole corpus over and over, in another order each time, as fast as it is taken."""
    names = sorted(CORPUS)
    with attacker.client() as client:
        for turn in attacker.until_over(0.05):
            if turn % len(names) == 0:
                random.Random(turn).shuffle(names)
            name = names[turn % len(names)]
            data = CORPUS[name]()
            if len(data) <= LARGEST_BYTES:
                fields = {"collection": "hostile"}
                attacker.call(
                    client,
                    "POST",
                    "/v1/documents",
                    "/v1/documents",
                    files={"file": (name, data)},
                    data=fields,
                )


def send_bad_bodies(attacker: Attacker) -> None:
    """JSON that is deep, wide, long, cut off or none, to both submits."""
    bodies = (
        b"[" * 500_000,
        b'{"question":' + b'{"a":' * 100_000,
        json.dumps({"text": "x", "metadata": {f"k{n}": n for n in range(20_000)}}).encode(),
        json.dumps({"question": " " * 900_000}).encode(),
        json.dumps({"question": "why", "filter": {"and": [{"eq": {"a": n}} for n in range(5_000)]}}).encode(),
        b'{"question": "' + b"\\u0000" * 1_000 + b'"}',
        b"\xff" * 1_000,
        b"",
    )
    with attacker.client() as client:
        for turn in attacker.until_over(0.2):
            path = ("/v1/documents", "/v1/queries")[turn % 2]
            headers = {"Content-Type": "application/json"}
            attacker.call(
                client, "POST", path, path, content=bodies[turn // 2 % len(bodies)], headers=headers
            )


def ask_dear_questions(attacker: Attacker) -> None:
    """Questions that ask for much, or whose text is made to run away."""
    texts = ("|-" * 1_900, " " * 3_990 + "x", "[" + "1," * 1_900, "\u0327\u0301" * 1_900, "A. " * 1_300)
    with attacker.client() as client:
        for turn in attacker.until_over(0.3):
            body = {"question": texts[turn % len(texts)], "collection": "hostile", "top_k": 100, "top_n": 50}
            attacker.call(client, "POST", "/v1/queries", "/v1/queries", json=body)


def try_odd_ids(attacker: Attacker) -> None:
    """Paths, cursors and event ids that are none."""
    odd = ("x:events", "..%2F..%2Fetc", "%00", "*", "a" * 1_500, "%F0%9F%98%80", "{aegis}:keys")
    with attacker.client() as client:
        for turn in attacker.until_over(0.1):
            name = odd[turn % len(odd)]
            attacker.call(client, "GET", f"/v1/jobs/{name}", "/v1/jobs/{job_id}")
            attacker.call(client, "GET", f"/v1/documents/{name}", "/v1/documents/{document_id}")
            headers = {"Last-Event-ID": str(2**64)}
            attacker.call(
                client, "GET", f"/v1/jobs/{name}/events", "/v1/jobs/{job_id}/events", headers=headers
            )


def try_keys(attacker: Attacker) -> None:
    """Keys that are none, each another one."""
    with httpx.Client(base_url=attacker.target.url, timeout=PATIENCE) as client:
        for turn in attacker.until_over(0.02):
            headers = {"Authorization": f"Bearer guess-number-{turn:08}"}
            attacker.call(client, "GET", "/v1/jobs", "/v1/jobs", headers=headers)


def hold_connections(attacker: Attacker) -> None:
    """Open heads, half bodies and silence, on as many connections as one address gets."""
    beginnings = (
        b"",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ",
        b"POST /v1/documents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000000\r\n\r\n{",
        b"POST /v1/queries HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer "
        + attacker.target.key.encode()
        + b"\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    )
    for turn in attacker.until_over(1.0):
        with ExitStack() as held:
            for number in range(100):
                with suppress(OSError):
                    connection = held.enter_context(closing(attacker.connection()))
                    connection.sendall(beginnings[(turn + number) % len(beginnings)])
            attacker.over.wait(5)


def send_endless_heads(attacker: Attacker) -> None:
    """A head of 20 MB, as header lines, as one name or as one address, in turn."""
    pieces = (b"X-A: " + b"a" * 1_000 + b"\r\n", b"x" * 1_000, b"/a" * 500)
    for turn in attacker.until_over(0.5):
        beginning = b"GET /" if turn % 3 == 2 else b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        with suppress(OSError), closing(attacker.connection()) as connection:
            connection.sendall(beginning)
            for _ in range(20_000):
                connection.sendall(pieces[turn % 3])


ATTACKS: Sequence[Callable[[Attacker], None]] = (
    send_hostile_files,
    send_bad_bodies,
    ask_dear_questions,
    try_odd_ids,
    try_keys,
    hold_connections,
    send_endless_heads,
    *SHAPES,
)


@dataclass
class Report:
    """What the attackers met; ``failures`` are what ended one of them early."""

    answers: dict[tuple[str, str], set[int]]
    failures: list[str]


class Attack:
    """All attackers at work, in a process of their own that gives way to others: they stand for other
    machines, whose processors the stack would not share."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._over = _SPAWN.Event()
        self._receiving, sending = _SPAWN.Pipe(duplex=False)
        self._process = _SPAWN.Process(target=_attack, args=(target, self._over, sending), daemon=True)

    def begin(self) -> None:
        self._process.start()

    def end(self) -> Report:
        self._over.set()
        assert self._receiving.poll(PATIENCE + 60), "the attackers hang"
        report: Report = self._receiving.recv()
        self._process.join()
        return report


def _attack(target: Target, over: Event, sending: Connection) -> None:
    os.nice(19)
    answers, failures = Answers(), list[str]()
    with ThreadPoolExecutor(len(ATTACKS)) as pool:
        for loop in ATTACKS:
            pool.submit(_run, loop, Attacker(target, answers, over), failures)
    sending.send(Report(answers.seen, failures))


def _run(loop: Callable[[Attacker], None], attacker: Attacker, failures: list[str]) -> None:
    while not attacker.over.is_set():
        try:
            loop(attacker)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            continue  # a connection that the service closed on a caller that it refused
        except Exception as error:  # noqa: BLE001 - it is told, and fails the test
            failures.append(f"{loop.__name__}: {error!r}")
            return
