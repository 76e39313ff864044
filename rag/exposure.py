"""Refuses a start that would open a server to everybody who reaches this machine, unless that is meant."""

from rag.addresses import is_loopback
from rag.errors import ConfigurationError
from rag.settings import Settings


def require_closed_api(settings: Settings) -> None:
    """ConfigurationError for an API that other machines reach and that asks for no key."""
    if settings.anonymous:
        lacks = "no key, so whoever reaches it may do everything"
        _require_closed(settings, "the API", lacks, "set API_KEYS or KEYS_REQUIRED=true")


def require_closed_flower(settings: Settings) -> None:
    """ConfigurationError for a Flower that other machines reach and that asks for no password."""
    if settings.flower_basic_auth is None:
        lacks = "no password, so whoever reaches it sees all jobs"
        _require_closed(settings, "Flower", lacks, "set FLOWER_BASIC_AUTH=user:password")


def _require_closed(settings: Settings, part: str, lacks: str, remedy: str) -> None:
    if is_loopback(settings.listen_host) or settings.allow_anonymous:
        return
    why = "" if settings.api_host else ", as REDIS_URL has it"
    raise ConfigurationError(
        f"API_HOST: {part} would listen on {settings.listen_host}{why} and ask for {lacks}: {remedy}, "
        "or API_HOST=127.0.0.1, or ALLOW_ANONYMOUS=true if that is meant"
    )
