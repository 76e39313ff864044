"""Stores in a bucket, and what may go wrong on the way to it."""

import hmac
import os
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import md5, sha256
from pathlib import Path
from uuid import uuid4

import httpx

from rag.blobs.buckets import Access
from rag.blobs.store import ObstoreBlobs
from tests.s3server import MAKER, S3Server, environment

Change = Callable[[bytes], bytes]


HTTP = Access(allow_http=True)
BUCKETS = ("file", "memory", "s3", *os.environ.get("BUCKET_URLS", "").split())
"""Kinds of stores. BUCKET_URLS names others that are there, such as az://container gs://bucket."""


def address_of(kind: str, folder: Path) -> str:
    """Of an empty store; those that need no server of the tests' own."""
    own = {"file": folder.as_uri(), "memory": "memory:///"}
    return own.get(kind) or f"{kind}/{uuid4()}"


def in_bucket(server: S3Server, folder: str = "", access: Access = HTTP, **variables: str) -> ObstoreBlobs:
    """A folder of the bucket, an empty one unless named; ``variables`` change the server's environment."""
    with environment({**server.environment, **variables}):
        return ObstoreBlobs(f"{server.url}/{folder or uuid4()}", access)


def administer(server: S3Server, method: str, path: str, query: str = "", body: str = "") -> str:
    """The answer to a request of the administrator, signed by hand: obstore knows objects alone.

    By https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
    """
    data, now = body.encode(), f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    headers = {
        "content-md5": b64encode(md5(data).digest()).decode(),
        "host": f"127.0.0.1:{server.port}",
        "x-amz-bucket-object-lock-enabled": "true",
        "x-amz-content-sha256": sha256(data).hexdigest(),
        "x-amz-date": now,
    }
    names, scope = ";".join(headers), f"{now[:8]}/us-east-1/s3/aws4_request"
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    asked = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{headers['x-amz-content-sha256']}"
    signed = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{sha256(asked.encode()).hexdigest()}"
    key = f"AWS4{MAKER}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, signed.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={MAKER}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    url = f"http://127.0.0.1:{server.port}{path}?{query}"
    return httpx.request(method, url, content=data, headers=headers).raise_for_status().text


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
