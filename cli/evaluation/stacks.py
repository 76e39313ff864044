"""The API that is measured: one that runs, or a stack of its own that is gone afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.stack import started
from cli.client.client import Client, connect


@contextmanager
def running(url: str | None, profile: str | None) -> Iterator[Client]:
    """A client of the API that the options name. Unavailable when nobody answers there."""
    with connect(url, profile) as client:
        client.health()
        yield client


@contextmanager
def own_stack(home: Path, settings: Mapping[str, str]) -> Iterator[Client]:
    """A client of a stack in ``home`` with ``settings``, which ends with the block.

    Unavailable, with the end of what it printed, when it does not start.
    """
    with started(home, settings) as stack, Client(stack.url) as client:
        yield client
