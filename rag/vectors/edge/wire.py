"""The messages between the engine process and its clients over a Unix socket.

A message is a frame of :mod:`rag.system.framing` with a MessagePack body. A request is
``(method, arguments, keyword arguments)``; an answer ``(None, value)``, or
``((code, message, retry_after), None)`` for an error of ``rag.errors``. Vectors travel as
raw bytes with dtype and shape, the classes of ``rag.model`` as lists of their fields.
No received message can run code.
"""

import socket
from dataclasses import fields, is_dataclass
from typing import Any

import msgpack
import numpy as np

from rag.errors import AegisError, InvalidRequest, Transient
from rag.model import CollectionSpec, DocumentVersion, Hit, Passage, Point, SearchQuery, SparseVector
from rag.ports.paging import Window
from rag.system import framing

METHODS = frozenset(
    (
        *("ensure", "drop", "collections", "upsert", "delete", "count", "ping"),
        *("search", "vectors", "passages", "scroll"),
    )
)
MAX_MESSAGE = 256 * 1024 * 1024

_TUPLE, _ARRAY, _FIRST_CLASS = 0, 1, 10
_CLASSES: tuple[type, ...] = (
    CollectionSpec,
    DocumentVersion,
    Hit,
    Passage,
    Point,
    SearchQuery,
    SparseVector,
    Window,
)
_CODES = {kind: code for code, kind in enumerate(_CLASSES, _FIRST_CLASS)}
_CLASS_OF = {code: kind for kind, code in _CODES.items()}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _CLASSES}
_DTYPES = ("<f4", "<f2", "<u4")


def packed(message: object) -> bytes:
    """The message as bytes. InvalidRequest for datetimes, lone surrogates and integers over 64 bits."""
    try:
        # strict types send tuples to _to_extension, so they do not come back as lists
        body: bytes = msgpack.packb(message, default=_to_extension, strict_types=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequest(f"not plain data: {error}") from error
    return body


def unpacked(body: bytes) -> Any:
    """The inverse of :func:`packed`. ValueError for anything else."""
    try:
        return msgpack.unpackb(body, ext_hook=_from_extension, strict_map_key=False)
    except (msgpack.UnpackException, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"not a message of the vector engine: {error}") from error


def send(connection: socket.socket, body: bytes) -> None:
    if len(body) > MAX_MESSAGE:
        raise InvalidRequest(f"a message of {len(body)} bytes is over the limit of {MAX_MESSAGE}")
    framing.send(connection, body)


def receive(connection: socket.socket) -> bytes | None:
    """The next message's body; None when the peer closed. ConnectionError inside a message."""
    return framing.receive(connection, MAX_MESSAGE)


def receive_answer(connection: socket.socket) -> bytes:
    """The next message's body. ConnectionError when there is none."""
    return framing.receive_answer(connection, MAX_MESSAGE)


def error_fields(error: AegisError) -> tuple[str, str, float | None]:
    """Code, message and ``retry_after`` (seconds), which :func:`error_from` takes."""
    return error.code, str(error), error.retry_after if isinstance(error, Transient) else None


def error_from(code: str, message: str, retry_after: float | None) -> AegisError:
    """An error of the class with this code; AegisError for an unknown code."""
    kind = _error_classes(AegisError).get(code, AegisError)
    if issubclass(kind, Transient):
        return kind(message, retry_after=retry_after)
    return kind(message)


def _error_classes(root: type[AegisError]) -> dict[str, type[AegisError]]:
    """The classes by code. A class that inherits its code is not listed, only its parent."""
    classes: dict[str, type[AegisError]] = {}
    for kind in root.__subclasses__():
        classes |= _error_classes(kind)
    return {**classes, root.code: root}


def _to_extension(value: object) -> msgpack.ExtType:
    """A value that MessagePack lacks. TypeError for an unknown class."""
    if isinstance(value, tuple):
        return msgpack.ExtType(_TUPLE, packed(list(value)))
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        return msgpack.ExtType(_ARRAY, packed([array.dtype.str, list(array.shape), array.tobytes()]))
    if is_dataclass(value) and type(value) in _CODES:
        kind = type(value)
        return msgpack.ExtType(_CODES[kind], packed([getattr(value, name) for name in _FIELDS[kind]]))
    raise TypeError(f"{type(value).__name__} {value!r:.80} cannot be sent")


def _from_extension(code: int, body: bytes) -> Any:
    """The inverse of :func:`_to_extension`. ValueError, TypeError or KeyError for anything else."""
    parts = unpacked(body)
    if code == _TUPLE:
        return tuple(parts)
    if code == _ARRAY:
        dtype, shape, data = parts
        if dtype not in _DTYPES:
            raise ValueError(f"dtype {dtype} is not used here")
        return np.frombuffer(data, dtype).reshape(shape)
    return _CLASS_OF[code](*parts)
