"""A real Qdrant node with TLS, a key and strict mode, over HTTP and over gRPC."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme

from rag.errors import Refused, Unavailable
from rag.model import CollectionSpec
from rag.settings import Settings
from rag.vectors.qdrant.nodes import nodes_of
from rag.vectors.qdrant.snapshots.snapshots import QdrantSnapshots
from rag.vectors.qdrant.store import QdrantVectorStore
from tests.qdrantbinary import BINARY, WITHOUT, QdrantNode

pytestmark = pytest.mark.skipif(BINARY is None, reason=WITHOUT)

SPEC = CollectionSpec(4)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``ca.pem``, and ``cert.pem`` and ``key.pem`` of 127.0.0.1."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    own.private_key_pem.write_to_path(folder / "key.pem")
    for part in own.cert_chain_pems:
        part.write_to_path(folder / "cert.pem", append=True)
    return folder


@pytest.fixture(scope="module")
def node(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantNode]:
    running = QdrantNode(
        tmp_path_factory.mktemp("node"),
        QDRANT__SERVICE__API_KEY="secret",
        QDRANT__SERVICE__ENABLE_TLS="true",
        QDRANT__TLS__CERT=str(authority / "cert.pem"),
        QDRANT__TLS__KEY=str(authority / "key.pem"),
    )
    yield running
    running.stop()


@pytest.fixture(params=[False, True], ids=["HTTP", "gRPC"])
def settings(node: QdrantNode, authority: Path, request: pytest.FixtureRequest) -> Settings:
    return Settings(
        qdrant_url=node.url,
        qdrant_api_key="secret",
        qdrant_ca_file=authority / "ca.pem",
        qdrant_grpc=request.param,
        qdrant_grpc_port=node.grpc,
    )


def test_an_alias_leads_to_another_collection_in_one_step(settings: Settings) -> None:
    with closing(QdrantVectorStore(nodes_of(settings), settings, patience=5.0)) as store:
        for name in ("docs-1", "docs-2"):
            store.ensure(name, SPEC)
            store.alias("docs", name)
        store.drop("docs-1")

        assert nodes_of(settings).call(lambda client: client.count("docs"), 0.0).count == 0
        assert store.collections() == ("docs-2",)
        store.drop("docs-2")


def test_a_snapshot_goes_the_same_way_as_everything_else(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"aegis_home": tmp_path})
    with closing(QdrantVectorStore(nodes_of(settings), settings, patience=5.0)) as store:
        snapshots = QdrantSnapshots(settings, store)
        store.ensure("docs-1", SPEC)
        (file,) = snapshots.take("job", ["docs-1"])
        data = b"".join(snapshots.read("job", file))
        snapshots.release("job")
        snapshots.load(
            "docs-2", SPEC, snapshots.engine, [(file, lambda _start: iter((data,)))], lambda _: None
        )

        assert store.collections() == ("docs-1", "docs-2")
        for name in store.collections():
            store.drop(name)


def test_a_wrong_key_is_told_by_the_name_of_its_setting(settings: Settings) -> None:
    wrong = Settings(**{**settings.model_dump(include=settings.model_fields_set), "qdrant_api_key": "wrong"})
    with closing(QdrantVectorStore(nodes_of(wrong), wrong, patience=0.0)) as store:
        for call in (store.ping, lambda: store.count("docs")):
            with pytest.raises(Refused, match="QDRANT_API_KEY"):
                call()


def test_a_server_of_an_unknown_authority_is_not_spoken_to(settings: Settings) -> None:
    trusting_none = settings.model_copy(update={"qdrant_ca_file": None})
    with (
        closing(QdrantVectorStore(nodes_of(trusting_none), trusting_none, patience=0.0)) as store,
        pytest.raises(Unavailable, match=r"(?i)certificate"),
    ):
        store.count("docs")
