"""Why a Redis server that was reached will not serve us, and what to change."""

import ssl
from collections.abc import Iterator

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError as AsyncMasterNotFoundError
from redis.exceptions import RedisError
from redis.sentinel import MasterNotFoundError

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
_DEEPEST = 10
_NO_CERTIFICATE = "CERTIFICATE_REQUIRED"
_WITH_TLS = "if it speaks TLS, REDIS_URL must begin with rediss:// or sentinels://"
_WITHOUT_TLS = "if it speaks no TLS, REDIS_URL must begin with redis:// or sentinel://"
_GUESSES = {
    "Connection closed by server": _WITH_TLS,
    "Connection reset by peer": _WITH_TLS,
    "handshake operation timed out": _WITHOUT_TLS,
    "EOF occurred": "if it asks for a client's certificate: ssl_certfile and ssl_keyfile in REDIS_URL",
}


class NoPrimary(exceptions.ConnectionError):
    """The Sentinels answer and will never name a primary; the message says what to change."""


def refusal(error: RedisError) -> str | None:
    """What to change; None where the server is away, busy or wrong in another way."""
    match error:
        case NoPrimary():
            return str(error)
        case exceptions.AuthenticationError():
            return f"the server does not accept the user and password in REDIS_URL ({error})"
        case exceptions.NoPermissionError():
            return f"the user in REDIS_URL may do less than is needed ({error}): see docs/reference/redis.md"
        case exceptions.MovedError():
            return "REDIS_URL names a node of a cluster that does not hold {aegis}: name the one that does"
    return _of_tls(error)


def hint(error: RedisError) -> str:
    """What went wrong, and what may be the reason where a connection ends before a word is said."""
    if isinstance(error, MasterNotFoundError | AsyncMasterNotFoundError):
        return "the Sentinels name no primary: a failover is under way, or none of them answers"
    chain = " ".join(map(str, _causes(error)))
    guess = next((guess for sign, guess in _GUESSES.items() if sign in chain), None)
    said = str(error) or type(error).__name__
    return f"{said} ({guess})" if guess else said


def _of_tls(error: RedisError) -> str | None:
    cause = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"the server's certificate is not trusted ({cause.verify_message}): REDIS_CA_FILE must hold its "
            "authority's, and REDIS_URL a name that it is for"
        )
    reason = (cause.reason or "") if cause else ""
    if reason in _NO_TLS:
        return "the server speaks no TLS: redis:// or sentinel:// in REDIS_URL, or another port"
    if _NO_CERTIFICATE in reason:
        return "the server asks for a client's certificate: ssl_certfile and ssl_keyfile in REDIS_URL"
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, its cause, that one's, and so on."""
    cause: BaseException | None = error
    for _ in range(_DEEPEST):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
