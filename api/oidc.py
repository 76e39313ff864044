"""Tokens of an OpenID Connect issuer: checked by its public keys, and what their claims let the bearer do.

Imported where there is an issuer alone. A token is a JWT (RFC 7519) that a key of the issuer's set (RFC 7517)
has signed, for our audience, and not expired. The caller's name is its subject, behind ``oidc:``.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import jwt
from jwt.types import Options

from api.access import RANK, Caller
from api.jwks import KeySet
from rag.errors import Unauthenticated
from rag.settings import Settings
from rag.settings.keys import ALL, checked_collections

LONGEST_TOKEN = 8192
_LONGEST_SUBJECT = 255
_MOST_COLLECTIONS = 1000
_OPTIONS: Options = {"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True}

log = logging.getLogger(__name__)


class TokenIssuer:
    """The issuer of ``settings.oidc_issuer``."""

    def __init__(self, settings: Settings, keys: KeySet) -> None:
        self._settings = settings
        self._keys = keys

    def signs(self, token: str) -> bool:
        """Whether ``token`` has the form of a JWT: head, claims and signature."""
        return token.startswith("eyJ") and token.count(".") == 2

    async def caller(self, token: str) -> Caller:
        """Whom the token stands for. Unauthenticated for one that is not good, or lets its bearer do nothing.

        Unavailable where the issuer's keys are needed and it does not answer.
        """
        claims = await self._claims(token)
        roles = [self._settings.oidc_roles.get(value) for value in self._words("oidc_role_claim", claims)]
        role = max((role for role in roles if role), key=RANK.__getitem__, default=None)
        if role is None:
            raise Unauthenticated(f"The token's claim {self._settings.oidc_role_claim!r} names no role here")
        return Caller(f"oidc:{_subject(claims)}", role, self._collections(claims))

    async def _claims(self, token: str) -> Mapping[str, Any]:
        settings = self._settings
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated(f"The token has more than {LONGEST_TOKEN} characters")
        try:
            head = jwt.get_unverified_header(token)
            algorithm = head.get("alg")
            if algorithm not in settings.oidc_algorithms:
                raise Unauthenticated("The token is signed in a way that OIDC_ALGORITHMS does not name")
            key = await self._keys.key(head.get("kid"), algorithm)
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=settings.oidc_audience,
                issuer=settings.oidc_issuer,
                leeway=settings.oidc_leeway_seconds,
                options=_OPTIONS,
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired: get another one from its issuer") from error
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            log.info("a token was refused: %s", type(error).__name__)
            raise Unauthenticated("This is no good token of the issuer for this service") from error

    def _collections(self, claims: Mapping[str, Any]) -> tuple[str, ...] | None:
        """None: all."""
        try:
            named = checked_collections(self._words("oidc_collections_claim", claims))
        except ValueError as error:
            claim = self._settings.oidc_collections_claim
            raise Unauthenticated(
                f"The token's claim {claim!r} does not name collections: {error}"
            ) from error
        return None if named == (ALL,) else named

    def _words(self, setting: str, claims: Mapping[str, Any]) -> list[str]:
        """What the claim that the setting names says, as a list."""
        path = getattr(self._settings, setting)
        value = claims[path] if path in claims else _at(claims, path.split("."))
        words = value.split() if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            return []
        return words[:_MOST_COLLECTIONS]


def _at(claims: Any, path: Iterable[str]) -> Any:
    for name in path:
        claims = claims.get(name) if isinstance(claims, Mapping) else None
    return claims


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        raise Unauthenticated("The token's subject is none that can be kept")
    return subject
