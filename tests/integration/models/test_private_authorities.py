"""Servers whose certificate a private authority has signed: models and buckets, trusted by SSL_CERT_FILE."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from rag.blobs.store import ObstoreBlobs
from rag.errors import AegisError
from rag.settings import Settings
from tests.integration.modelserver import scripted
from tests.integration.ollamascript import OllamaHandler, replica
from tests.integration.redisservers import behind_tls
from tests.jinaserver import KEY, Jina, serving
from tests.s3server import S3Server, environment
from workers.embedding import jina as embedding
from workers.generation.chat import ChatServer

Call = Callable[[], object]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    """The file that SSL_CERT_FILE is to name."""
    authority.cert_pem.write_to_path(path := tmp_path / "authority.pem")
    return str(path)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


@contextmanager
def secured(url: str, certificate: ssl.SSLContext) -> Iterator[str]:
    """Address with TLS of the server at ``url``."""
    with behind_tls(port_of(url), certificate) as port:
        yield f"https://localhost:{port}/{url.partition('://')[2].partition('/')[2]}"


def is_trusted_by_setting_alone(call: Call, trusted: str) -> None:
    with pytest.raises(AegisError):
        call()
    with environment({"SSL_CERT_FILE": trusted}):
        call()


def test_an_openai_compatible_server(certificate: ssl.SSLContext, trusted: str) -> None:
    with scripted() as script, secured(script.url, certificate) as url:
        is_trusted_by_setting_alone(lambda: ChatServer(url).available_model(), trusted)


def test_an_ollama_server(certificate: ssl.SSLContext, trusted: str) -> None:
    with scripted(OllamaHandler, path="") as script, secured(script.url, certificate) as url:
        is_trusted_by_setting_alone(
            lambda: asyncio.run(replica(url.rstrip("/")).provide(pull=False)), trusted
        )


def test_a_server_of_jinas_schema(valkey: str, certificate: ssl.SSLContext, trusted: str) -> None:
    with serving(Jina()) as server, secured(server.url, certificate) as url:
        times = {
            "lease_seconds": 6,
            "parse_timeout": 5,
            "fetch_timeout": 5,
            "generator_timeout": 5,
            "stage_timeout": 8,
        }
        settings = Settings.model_validate(
            {"redis_url": valkey, "jina_base_url": url, "jina_api_key": KEY, **times}
        )
        is_trusted_by_setting_alone(
            lambda: embedding.embedder(settings, settings.embedding_name, settings.dimension).embed_passages(
                ["short"]
            ),
            trusted,
        )


def test_a_bucket(s3: S3Server, certificate: ssl.SSLContext, trusted: str) -> None:
    with behind_tls(s3.port, certificate) as port:
        access = {
            **s3.environment,
            "AWS_ENDPOINT_URL": f"https://localhost:{port}",
            "AWS_ALLOW_HTTP": "false",
        }

        def call() -> None:
            with environment(access):
                blobs = ObstoreBlobs.of(Settings(blob_url=s3.url))
                blobs.put("a", b"b")
                assert blobs.get("a") == b"b"

        is_trusted_by_setting_alone(call, trusted)
