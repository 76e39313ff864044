"""Frames over a stream socket: the length (4 bytes, big-endian), and as many bytes."""

import socket
import struct

LENGTH = struct.Struct(">I")
_JOINED = 1 << 16  # bytes that are copied sooner than sent by a call of their own


def framed(*payloads: bytes) -> bytes:
    """The frames of all ``payloads``, one behind the other."""
    return b"".join(part for payload in payloads for part in (LENGTH.pack(len(payload)), payload))


def send(connection: socket.socket, *payloads: bytes) -> None:
    """A frame each. OSError when the other side has gone."""
    for payload in payloads:
        if len(payload) <= _JOINED:
            connection.sendall(framed(payload))
        else:
            connection.sendall(LENGTH.pack(len(payload)))
            connection.sendall(payload)


def receive(connection: socket.socket, most: int) -> bytes | None:
    """The next payload; None when the other side ended before it.

    ConnectionError when it ends inside a frame, or for one of more than ``most`` bytes; TimeoutError by the
    socket's own limit.
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
    """The next payload. ConnectionError when there is none, and as :func:`receive`."""
    body = receive(connection, most)
    if body is None:
        raise ConnectionError("it ended the connection")
    return body


def _exactly(connection: socket.socket, size: int) -> bytearray:
    """``size`` bytes, or none when the other side ended before the first."""
    buffer = bytearray(size)
    view, got = memoryview(buffer), 0
    while got < size:
        count = connection.recv_into(view[got:])
        if count == 0:
            if got == 0:
                return bytearray()
            raise ConnectionError("the connection ended inside a message")
        got += count
    return buffer
