"""Sends and receives frames over a stream socket: a length (4 bytes, big-endian), and as many bytes."""

import socket
import struct
from collections.abc import Iterator

LENGTH = struct.Struct(">I")
_JOINED = 1 << 16  # bytes; copying fewer costs less than another system call


def framed(*payloads: bytes) -> bytes:
    """The frames of all ``payloads``, one behind the other."""
    return b"".join(part for payload in payloads for part in (LENGTH.pack(len(payload)), payload))


def payloads_of(frames: bytes) -> Iterator[memoryview]:
    """The inverse of :func:`framed`. Raises ValueError or struct.error for frames that are cut off."""
    rest = memoryview(frames)
    while rest:
        (length,) = LENGTH.unpack_from(rest)
        frame, rest = rest[LENGTH.size :][:length], rest[LENGTH.size :][length:]
        if len(frame) < length:
            raise ValueError("a frame that is cut off")
        yield frame


def send(connection: socket.socket, *payloads: bytes) -> None:
    """Send each payload as a frame. OSError when the other side has gone."""
    for payload in payloads:
        if len(payload) <= _JOINED:
            connection.sendall(framed(payload))
        else:
            connection.sendall(LENGTH.pack(len(payload)))
            connection.sendall(payload)


def receive(connection: socket.socket, most: int) -> bytes | None:
    """The next payload; None when the other side has closed the connection.

    Raises ConnectionError when it closes inside a frame, and for a payload of more than ``most`` bytes;
    TimeoutError by the socket's own limit.
    """
    head = _exactly(connection, LENGTH.size)
    if not head:
        return None
    (length,) = LENGTH.unpack(head)
    if length > most:
        raise ConnectionError(f"a message of {length} bytes is over the limit")
    body = _exactly(connection, length)
    if length and not body:
        raise ConnectionError("the connection ended inside a message")
    return bytes(body)


def receive_answer(connection: socket.socket, most: int) -> bytes:
    """As :func:`receive`, but raises ConnectionError when the other side has closed the connection."""
    body = receive(connection, most)
    if body is None:
        raise ConnectionError("the other side closed the connection")
    return body


def _exactly(connection: socket.socket, size: int) -> bytearray:
    """``size`` bytes, or none when the other side closed before the first."""
    buffer = bytearray(size)
    view, got = memoryview(buffer), 0
    while got < size:
        count = connection.recv_into(view[got:])
        if count == 0 and got == 0:
            return bytearray()
        if count == 0:
            raise ConnectionError("the connection ended inside a message")
        got += count
    return buffer
