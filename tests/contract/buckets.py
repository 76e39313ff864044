"""Stores in a bucket, and what may go wrong on the way to it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from uuid import uuid4

from rag.stores.blobs import ObstoreBlobs
from rag.stores.buckets import Access
from tests.s3server import S3Server, environment

Change = Callable[[bytes], bytes]


HTTP = Access(allow_http=True)


def in_bucket(server: S3Server, folder: str = "", access: Access = HTTP, **variables: str) -> ObstoreBlobs:
    """A folder of the bucket, an empty one unless named; ``variables`` change the server's environment."""
    with environment({**server.environment, **variables}):
        return ObstoreBlobs(f"{server.url}/{folder or uuid4()}", access)


@contextmanager
def through(server: S3Server, *, outward: Change = bytes, inward: Change = bytes) -> Iterator[S3Server]:
    """The server behind a proxy that changes what passes: a packet to it, and one from it, at a time."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", server.port))
                for source, target, change in ((near, far, outward), (far, near, inward)):
                    threading.Thread(target=_pass_on, args=(source, target, change), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield replace(server, port=listener.getsockname()[1])
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _pass_on(source: socket.socket, target: socket.socket, change: Change) -> None:
    with suppress(OSError), source, target:
        while data := source.recv(1 << 16):
            target.sendall(change(data))
