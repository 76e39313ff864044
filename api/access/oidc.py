"""Tokens of an OpenID Connect issuer: checked with its public keys; their claims say what the caller may do.

This is imported only where there is an issuer. A token is a JWT (RFC 7519) that is signed by a key of the
issuer's set (RFC 7517), made for our audience, and not expired. The caller's name is ``oidc:SUBJECT``.

The client chooses which key a token names. So a key that is unknown is looked for at most once in half a
minute, by one request at a time, and the issuer's answer is limited in bytes and in time.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import httpx
import jwt
from jwt.types import Options

from api.access.access import RANK, Caller
from rag.errors import ErrorTable, Unauthenticated, Unavailable, translated
from rag.model import Json
from rag.settings import Settings
from rag.settings.keys import ALL, checked_collections
from rag.settings.oidc import safe

LONGEST_TOKEN = 8192
FRESH_SECONDS = 600.0
STALE_SECONDS = 3600.0  # how long keys are used while newer ones cannot be fetched
PAUSE_SECONDS = 30.0
FETCH_SECONDS = 5.0
MOST_BYTES = 256 << 10
_MOST_KEYS = 100
_LONGEST_SUBJECT = 255
_MOST_COLLECTIONS = 1000
_OPTIONS: Options = {"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True}
_ERRORS: ErrorTable = {httpx.HTTPError: Unavailable, TimeoutError: Unavailable, OSError: Unavailable}

log = logging.getLogger(__name__)


class KeySet:
    """The issuer's keys by their ids. ``url`` None: where the issuer's discovery document says."""

    def __init__(self, issuer: str, url: str | None, now: Callable[[], float] = monotonic) -> None:
        self._issuer = issuer
        self._url = url
        self._now = now
        self._known: Mapping[str, Json] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, key_id: object, algorithm: str) -> jwt.PyJWK:
        """The key with this id; ``key_id`` None: the only one there is.

        Unauthenticated where there is none, Unavailable where the issuer's keys cannot be fetched.
        """
        if self._find(key_id) is None or self._age() > FRESH_SECONDS:
            async with self._fetching:
                # Another request may have fetched them while this one waited for the lock.
                settled = self._find(key_id) is not None and self._age() <= FRESH_SECONDS
                if not settled and self._now() - self._tried_at >= PAUSE_SECONDS:
                    await self._fetch()
        if self._age() > STALE_SECONDS:
            raise Unavailable("The issuer's keys cannot be fetched now", retry_after=PAUSE_SECONDS)
        found = self._find(key_id)
        if found is None or found.get("alg", algorithm) != algorithm:
            raise Unauthenticated("The token is signed by no key of its issuer")
        return jwt.PyJWK.from_dict(found, algorithm)

    def _find(self, key_id: object) -> Json | None:
        if key_id is None and len(self._known) == 1:
            return next(iter(self._known.values()))
        return self._known.get(key_id) if isinstance(key_id, str) else None

    def _age(self) -> float:
        return self._now() - self._fetched_at

    async def _fetch(self) -> None:
        self._tried_at = self._now()
        plain = {"Accept-Encoding": "identity"}  # so that a small answer cannot unpack to a large one
        try:
            with translated(_ERRORS, "the issuer"):
                client = httpx.AsyncClient(follow_redirects=False, timeout=FETCH_SECONDS, headers=plain)
                async with asyncio.timeout(FETCH_SECONDS), client:
                    document = await _get_json(client, self._url or await self._discover_url(client))
        except Unavailable as error:
            log.warning("the keys of %s cannot be fetched: %s", self._issuer, error)
            return
        keys: Any = document.get("keys")
        self._known = {
            str(key.get("kid", place)): key  # a key without an id is stored under its place
            for place, key in enumerate(keys[:_MOST_KEYS] if isinstance(keys, list) else [])
            if isinstance(key, dict)
            and key.get("kty") in ("RSA", "EC", "OKP")  # a symmetric key would let anybody sign who reads it
            and key.get("use", "sig") == "sig"
        }
        self._fetched_at = self._now()

    async def _discover_url(self, client: httpx.AsyncClient) -> str:
        """The address of the keys, by OpenID Connect Discovery 1.0, section 4. Unavailable."""
        document = await _get_json(client, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        url = document.get("jwks_uri")
        if document.get("issuer") != self._issuer:
            raise Unavailable("its discovery document is another issuer's")
        if not isinstance(url, str) or not safe(url):
            raise Unavailable("its discovery document names no https address of its keys")
        return url


async def _get_json(client: httpx.AsyncClient, url: str) -> Json:
    """The object at ``url``. Unavailable for anything else."""
    async with client.stream("GET", url) as answer:
        if answer.status_code != httpx.codes.OK:
            raise Unavailable(f"it answers with status {answer.status_code}")
        body = b""
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > MOST_BYTES:
                raise Unavailable(f"it answers with more than {MOST_BYTES} bytes")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unavailable("it does not answer with JSON") from error
    if not isinstance(document, dict):
        raise Unavailable("it does not answer with a JSON object")
    return document


class TokenIssuer:
    """The issuer of ``settings.oidc_issuer``."""

    def __init__(self, settings: Settings, keys: KeySet) -> None:
        self._settings = settings
        self._keys = keys

    def signs(self, token: str) -> bool:
        """Whether ``token`` has the form of a JWT: head, claims and signature."""
        return token.startswith("eyJ") and token.count(".") == 2

    async def caller(self, token: str) -> Caller:
        """The caller that the token stands for.

        Unauthenticated for a token that is not valid or gives no role, Unavailable where the issuer's keys
        are needed and it does not answer.
        """
        claims = await self._verify(token)
        roles = [self._settings.oidc_roles.get(value) for value in self._words("oidc_role_claim", claims)]
        role = max((role for role in roles if role), key=RANK.__getitem__, default=None)
        if role is None:
            raise Unauthenticated(f"The token's claim {self._settings.oidc_role_claim!r} names no role here")
        subject = claims["sub"]
        if not (isinstance(subject, str) and 0 < len(subject) <= _LONGEST_SUBJECT and subject.isprintable()):
            raise Unauthenticated(f"The token's subject needs 1 to {_LONGEST_SUBJECT} printable characters")
        try:
            named = checked_collections(self._words("oidc_collections_claim", claims))
        except ValueError as error:
            claim = self._settings.oidc_collections_claim
            raise Unauthenticated(
                f"The token's claim {claim!r} does not name collections: {error}"
            ) from error
        return Caller(f"oidc:{subject}", role, None if named == (ALL,) else named)

    async def _verify(self, token: str) -> Mapping[str, Any]:
        """The token's claims. Unauthenticated, Unavailable."""
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
            raise Unauthenticated("This is no valid token of the issuer for this service") from error

    def _words(self, setting: str, claims: Mapping[str, Any]) -> list[str]:
        """The value of the claim that the setting names, as a list; empty where it is none of words."""
        path = getattr(self._settings, setting)
        value: Any = claims.get(path)
        if path not in claims:  # "realm_access.roles": a claim inside of another
            value = claims
            for name in path.split("."):
                value = value.get(name) if isinstance(value, Mapping) else None
        words = value.split() if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            return []
        return words[:_MOST_COLLECTIONS]
