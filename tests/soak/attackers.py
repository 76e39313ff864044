"""Callers that mean harm, each a loop that begins one attack after another until it is told to stop."""

import json
import random
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

import httpx

from tests.documents.corpus import CORPUS
from tests.soak.attacker import PATIENCE, Answers, Attacker
from tests.soak.shapes import SHAPES
from tests.system.running import Stack

LARGEST_BYTES = 12_000_000


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
    with httpx.Client(base_url=attacker.stack.url, timeout=PATIENCE) as client:
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
        + attacker.key.encode()
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
class Attack:
    """All attackers at work; ``failures`` are what ended one of them early."""

    stack: Stack
    key: str
    answers: Answers = field(default_factory=Answers)
    failures: list[str] = field(default_factory=list)
    over: Event = field(default_factory=Event)
    _threads: list[Thread] = field(default_factory=list)

    def begin(self) -> None:
        for loop in ATTACKS:
            thread = Thread(target=self._run, args=(loop,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        self.over.set()
        deadline = time.monotonic() + PATIENCE + 30
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self.failures.append(f"{thread.name} hangs")

    def _run(self, loop: Callable[[Attacker], None]) -> None:
        while not self.over.is_set():
            try:
                loop(Attacker(self.stack, self.key, self.answers, self.over))
            except httpx.RemoteProtocolError:
                continue  # a connection that the service closed on a caller that it refused
            except (httpx.HTTPError, ssl.SSLError) as error:
                self.failures.append(f"{loop.__name__}: {type(error).__name__} {error}")
                return
