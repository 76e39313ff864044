"""What pytest-celery's containers are here: broker, vector engine, the workers of the lanes."""

from pytest_celery import CeleryTestContainer, CeleryWorkerContainer, RedisContainer

_START = """
import os, sys
from rag.redis.embedded import bundled_server
os.execv(bundled_server(), [str(bundled_server()), *sys.argv[1:]])
"""


class Broker(RedisContainer):
    """The Valkey server that the image brings along, on a port, its log synced once a second."""

    entrypoint = ("tini", "--", "python", "-c", _START)

    @classmethod
    def command(cls, *args: str, **kwargs: dict) -> list[str]:
        options = {
            "bind": "0.0.0.0",
            "protected-mode": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "dir": "/data",
        }
        return [*(part for name, value in options.items() for part in (f"--{name}", value)), *args]


class Vectors(CeleryTestContainer):
    """The vector engine's process."""

    @property
    def ready_prompt(self) -> str:
        return "the vector engine is ready"


class Worker(CeleryWorkerContainer):
    """A lane's worker as the image starts it."""
