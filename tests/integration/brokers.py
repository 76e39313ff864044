"""What a broker that a test started itself needs before it can be worked with."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from pydantic import SecretStr
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from rag.recovery.recovery import Recovery
from rag.redis.connection import connect
from rag.redis.embedded import bundled_server
from rag.settings import Settings

_POLL = 0.02  # seconds


def ready(settings: Settings, timeout: float) -> None:
    """Return when the server answers and has read its log; fail after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    with Redis.from_url(settings.records_url, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
        while True:
            try:
                client.ping()
            except RedisError as error:  # not there yet, or still reading its log
                if time.monotonic() > deadline:
                    raise AssertionError(f"the broker is not ready after {timeout:g} s") from error
                time.sleep(_POLL)
            else:
                return


@contextmanager
def valkey_with(*options: str) -> Iterator[str]:
    """Address of an empty server with ``options``, its records counting as intact, until the block ends."""
    with TemporaryDirectory(prefix="aegis-", dir="/tmp") as folder:
        socket = f"{folder}/valkey.sock"
        command = [
            str(bundled_server()),
            "--port",
            "0",
            "--unixsocket",
            socket,
            "--dir",
            folder,
            "--save",
            "",
        ]
        server = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
        try:
            settings = Settings(redis_url=SecretStr(f"unix://{socket}"))
            ready(settings, 30)
            with connect(settings) as client:
                declare_intact(client)
            yield settings.records_url
        finally:
            server.kill()
            server.wait(10)


def declare_intact(client: Redis) -> None:
    """What a restoration does that finds nothing to restore."""
    with Recovery(client).claimed() as claim:
        assert claim is not None
        claim.conclude()
