"""The broker as Celery and kombu must be told of it, from any form of ``REDIS_URL``, and its errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from kombu.exceptions import OperationalError

from rag.settings import Settings
from rag.settings.redis import Login, RedisAddress
from rag.stores.pools import sentinel_options, timeouts
from rag.stores.redis import PREFIX

ANSWER_SECONDS = 3.0


def broker_settings(settings: Settings) -> dict[str, Any]:
    """Celery's ``broker_*``. The figures behind the options are in ``docs/decisions/0002-delivery.md``."""
    address = settings.redis_address
    return {
        "broker_url": broker_url(address),
        "broker_use_ssl": dict(address.tls) if address.tls is not None else None,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,  # a broker whose disk is full refuses writes for a while
        "broker_pool_limit": settings.connection_pool_size,
        "broker_pool_acquire_timeout": 2 * ANSWER_SECONDS,  # else for ever
        "broker_transport_options": {
            "visibility_timeout": settings.visibility_timeout,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            **timeouts(ANSWER_SECONDS),
            "health_check_interval": 10,
            "max_connections": settings.connection_pool_size,
            "global_keyprefix": f"{PREFIX}queue:",
            **_sentinels(address),
        },
    }


def broker_url(address: RedisAddress) -> str:
    """In kombu's spelling. Each Sentinel carries all of it, since any of them may be the first asked."""
    login = _login(address.login)
    if address.socket is not None:
        database = f"?virtual_host={address.database}" if address.database else ""
        return f"redis+socket://{login}{quote(address.socket)}{database}"
    scheme = "sentinel" if address.master else "rediss" if address.tls is not None else "redis"
    return ";".join(
        f"{scheme}://{login}{f'[{host}]' if ':' in host else host}:{port}/{address.database}"
        for host, port in address.nodes
    )


@contextmanager
def sending() -> Iterator[None]:
    """OperationalError for the AttributeError that kombu raises on a channel which was closed meanwhile.

    Such a channel's connection is None, and a Redis channel asks it for its client.
    """
    try:
        yield
    except AttributeError as error:
        if error.obj is not None or error.name != "client":
            raise
        raise OperationalError("the channel to the broker was closed") from error


def _login(login: Login) -> str:
    if not (login.username or login.password):
        return ""
    name, password = (quote(word or "", safe="") for word in (login.username, login.password))
    return f"{name}:{password}@"


def _sentinels(address: RedisAddress) -> dict[str, Any]:
    if address.master is None:
        return {}
    return {"master_name": address.master, "sentinel_kwargs": sentinel_options(address, ANSWER_SECONDS)}
