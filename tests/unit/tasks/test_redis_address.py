"""The forms of REDIS_URL, what kombu is told of them, and what is refused without quoting a password."""

from pathlib import Path

import pytest

from rag.errors import ConfigurationError
from rag.settings import Settings, load
from rag.settings.redis_url import Login, RedisAddress
from tasks.app import broker_settings

SENTINELS = "sentinel://ann:s%40cret@one,two:26380/main?db=3&sentinel_password=watch"


def test_a_server() -> None:
    address = RedisAddress.of("redis://ann:s%40cret%2F@host:6380/2")

    assert (address.nodes, address.database) == ((("host", 6380),), 2)
    assert address.login == Login("ann", "s@cret/")
    assert (address.tls, address.master) == (None, None)
    assert "s@cret" not in repr(address)


def test_a_server_with_tls_is_verified_unless_said_otherwise() -> None:
    assert RedisAddress.of("rediss://host").tls == {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    assert RedisAddress.of("rediss://host?ssl_cert_reqs=CERT_NONE&ssl_ca_certs=/ca.pem").tls == {
        "ssl_cert_reqs": "none",
        "ssl_check_hostname": False,
        "ssl_ca_certs": "/ca.pem",
    }


def test_a_socket() -> None:
    address = RedisAddress.of("unix://:word@/run/my%20redis.sock?db=1")

    assert (address.socket, address.database, address.login.password) == ("/run/my redis.sock", 1, "word")
    assert address.nodes == ()


def test_sentinels() -> None:
    address = RedisAddress.of(SENTINELS)

    assert address.nodes == (("one", 26379), ("two", 26380))
    assert (address.master, address.database) == ("main", 3)
    assert address.login == Login("ann", "s@cret")
    assert address.sentinel_login == Login(None, "watch")


@pytest.mark.parametrize(
    ("url", "kombu"),
    [
        ("redis://redis:6379/0", "redis://redis:6379/0"),
        ("rediss://:p%23@[::1]/1", "rediss://:p%23@[::1]:6379/1"),
        ("unix:///a%20b.sock?db=2", "redis+socket:///a%20b.sock?virtual_host=2"),
        (SENTINELS, "sentinel://ann:s%40cret@one:26379/3;sentinel://ann:s%40cret@two:26380/3"),
    ],
)
def test_kombu_is_told_in_its_own_words(url: str, kombu: str) -> None:
    settings = Settings.model_validate({"redis_url": url, "connection_pool_size": 7})

    broker = broker_settings(settings)

    assert broker["broker_url"] == kombu
    assert broker["broker_pool_limit"] == broker["broker_transport_options"]["max_connections"] == 7


def test_kombu_asks_sentinels_with_their_own_password_and_secured() -> None:
    settings = Settings.model_validate({"redis_url": SENTINELS.replace("sentinel:", "sentinels:")})

    options = broker_settings(settings)["broker_transport_options"]

    assert options["master_name"] == "main"
    assert options["sentinel_kwargs"]["password"] == "watch"
    assert options["sentinel_kwargs"]["ssl"] is True
    assert broker_settings(settings)["broker_use_ssl"]["ssl_check_hostname"] is True


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("amqp://host", "must begin with one of redis://"),
        ("redis://", "names no host"),
        ("redis://host:port/0", "port is no number"),
        ("redis://host/name", "a database that is no number"),
        ("redis://:pa#word@host/0", "in its password, to be written %23"),
        ("redis://:pa/word@host/0", "in its password, to be written %23"),
        ("redis://host?ssl_ca_certs=/ca", "redis:// has no parameter ssl_ca_certs"),
        ("redis://host?timeout=3", "has no parameter timeout"),
        ("rediss://host?ssl_cert_reqs=maybe", "one of required, optional, none"),
        ("rediss://host?ssl_check_hostname=maybe", "true or false"),
        ("rediss://host?ssl_ca_certs=/nowhere.pem", "No such file"),
        ("sentinel://one:26379,two:26379", "names no primary"),
        ("sentinel://one/main/3", "names no primary"),
        ("unix://", "names no socket"),
    ],
)
def test_a_wrong_one_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, url: str, said: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)

    with pytest.raises(ConfigurationError, match=said) as error:
        load()

    assert "REDIS_URL" in str(error.value)
    assert "word" not in str(error.value).replace("password", "")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://host", "REDIS_CA_FILE needs a REDIS_URL that begins with rediss://"),
        ("rediss://host", "cannot be used"),
    ],
)
def test_certificates_that_cannot_be_used_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, said: str
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("REDIS_CA_FILE", str(tmp_path / "ca.pem"))

    with pytest.raises(ConfigurationError, match=said) as error:
        load()

    assert "\n" not in str(error.value)
