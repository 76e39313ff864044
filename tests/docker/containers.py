"""What pytest-celery's containers are here: broker, vector engine, the workers of the lanes."""

from pytest_celery import CeleryTestContainer, CeleryWorkerContainer, RedisContainer


class Broker(RedisContainer):
    """The image's broker, on TCP."""


class Vectors(CeleryTestContainer):
    """The vector engine's process."""

    @property
    def ready_prompt(self) -> str:
        return "the vector engine is ready"


class Worker(CeleryWorkerContainer):
    """A lane's worker as the image starts it."""
