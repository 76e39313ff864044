"""Each vector store in turn, with no collection or an empty one."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rag.ports import VectorStore
from tests.contract.vectors.backends import BACKENDS, Backend
from tests.contract.vectors.points import DOCS, SPEC


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def opened(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with TemporaryDirectory(prefix="aegis-") as folder:  # short: a socket's path has 104 bytes at most
        backend = BACKENDS[request.param](Path(folder))
        yield backend
        backend.close()


@pytest.fixture
def backend(opened: Backend) -> Iterator[Backend]:
    """Without any collection."""
    yield opened
    for name in opened.store.collections():
        opened.store.drop(name)


@pytest.fixture
def store(backend: Backend) -> VectorStore:
    """With the empty collection ``DOCS``."""
    backend.store.ensure(DOCS, SPEC)
    return backend.store
