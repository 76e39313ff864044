"""Attacks by requests whose shape costs more than their size: each was found to, once."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial

import httpx

from tests.soak.attacker import PATIENCE, Attacker

MIB = 1 << 20
CONNECTIONS = 10
PAGES = ("/openapi.json", "/metrics", "/health/ready")
UNKNOWN = json.dumps({f"{n:x}": 0 for n in range(14_500)}, separators=(",", ":")).encode()


def send_near_boundaries(attacker: Attacker) -> None:
    """Forms of 3 MB that are full of lines that nearly are boundaries."""
    near = (b"\r\n--Bx", b"\r\n--A", b"\r\n--", b"\r")
    part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    with attacker.client() as client:
        for turn in attacker.until_over(0.2):
            line = near[turn % len(near)]
            body = part + line * (3 * MIB // len(line)) + b"\r\n--B--\r\n"
            attacker.call(client, "POST", "/v1/documents", "/v1/documents", content=body, headers=headers)


def send_tiny_chunks(attacker: Attacker) -> None:
    """Without any key, bodies in chunks of a byte and of some."""
    head = (
        b"POST /v1/queries HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunks = (b"1\r\n \r\n" * 43_000, b"18\r\n" + b" " * 24 + b"\r\n")
    for turn in attacker.until_over(0.1):
        with suppress(OSError), closing(attacker.connection()) as connection:
            connection.sendall(head + chunks[turn % 2] * (1 if turn % 2 == 0 else 9_000))


def leave_answers_unread(attacker: Attacker) -> None:
    """Long answers, asked for over and over, of which nothing is read."""
    key = attacker.target.key.encode()
    asked = b"".join(
        b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n" % (path, key)
        for path in (b"/openapi.json", b"/v1/jobs?limit=100", b"/docs")
    )
    for _ in attacker.until_over(1.0):
        with ExitStack() as held:
            for _ in range(20):
                with suppress(OSError):
                    connection = held.enter_context(closing(attacker.connection()))
                    connection.sendall(asked * 50)
            attacker.over.wait(10)


def ask_for_pages(attacker: Attacker) -> None:
    """What needs no key, by ten connections at once."""

    def ask(number: int) -> None:
        with httpx.Client(base_url=attacker.target.url, timeout=PATIENCE) as client:
            for turn in attacker.until_over(0.02):
                with suppress(httpx.RemoteProtocolError):
                    client.get(PAGES[(turn + number) % len(PAGES)])

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(ask, range(CONNECTIONS)))


def send_unknown_members(attacker: Attacker) -> None:
    """As many members that nobody knows as a small body holds."""
    headers = {"Content-Type": "application/json"}
    with attacker.client() as client:
        for turn in attacker.until_over(0.1):
            path = ("/v1/documents", "/v1/queries")[turn % 2]
            attacker.call(client, "POST", path, path, content=UNKNOWN, headers=headers)


def send_flower_half(attacker: Attacker) -> None:
    """Bodies to Flower that do not go on."""
    head = b"POST /api/task/apply/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000000\r\n\r\n"
    connect = partial(attacker.connection, attacker.target.flower_port)
    for _ in attacker.until_over(1.0):
        with ExitStack() as held:
            for _ in range(20):
                with suppress(OSError):
                    held.enter_context(closing(connect())).sendall(head + b"x" * MIB)
            attacker.over.wait(5)


SHAPES: Sequence[Callable[[Attacker], None]] = (
    send_near_boundaries,
    send_tiny_chunks,
    leave_answers_unread,
    ask_for_pages,
    send_unknown_members,
    send_flower_half,
)
