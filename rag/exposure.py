"""Refuses a start that would open a server to everybody who reaches this machine, unless that is meant."""

from rag.addresses import is_loopback
from rag.errors import ConfigurationError
from rag.settings import Settings


def require_closed_api(settings: Settings) -> None:
    """ConfigurationError for an API that other machines reach and that asks for no key."""
    if _opens_unmeant(settings) and settings.anonymous:
        raise ConfigurationError(
            f"{_listening('the API', settings)} and ask for no key, so whoever reaches it may do everything: "
            "set API_KEYS or KEYS_REQUIRED=true, or API_HOST=127.0.0.1, "
            "or ALLOW_ANONYMOUS=true if that is meant"
        )


def require_closed_flower(settings: Settings) -> None:
    """ConfigurationError for a Flower that other machines reach and that asks for no password."""
    if _opens_unmeant(settings) and settings.flower_basic_auth is None:
        raise ConfigurationError(
            f"{_listening('Flower', settings)} and ask for no password, so whoever reaches it sees all jobs: "
            "set FLOWER_BASIC_AUTH=user:password, or API_HOST=127.0.0.1, "
            "or ALLOW_ANONYMOUS=true if that is meant"
        )


def _opens_unmeant(settings: Settings) -> bool:
    return not is_loopback(settings.listen_host) and not settings.allow_anonymous


def _listening(part: str, settings: Settings) -> str:
    why = "" if settings.api_host else ", as REDIS_URL has it"
    return f"API_HOST: {part} would listen on {settings.listen_host}{why}"
