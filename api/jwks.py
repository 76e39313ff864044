"""The public keys of an issuer (RFC 7517), fetched when they are needed, and never often.

Whoever sends tokens decides which keys are asked for, so what is unknown is looked for once in half a minute
at most, by one request at a time. What comes back is bounded in bytes and in time.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import httpx
import jwt

from rag.errors import ErrorTable, Unauthenticated, Unavailable, translated
from rag.model import Json
from rag.settings.oidc import safe

FRESH_SECONDS = 600.0
STALE_SECONDS = 3600.0
"""For which keys are used that cannot be fetched anew."""

PAUSE_SECONDS = 30.0
FETCH_SECONDS = 5.0
MOST_BYTES = 256 << 10
_MOST_KEYS = 100
_ERRORS: ErrorTable = {httpx.HTTPError: Unavailable, TimeoutError: Unavailable, OSError: Unavailable}

log = logging.getLogger(__name__)


class KeySet:
    """Keys by their ids. ``url`` None: where the issuer's discovery document says."""

    def __init__(self, issuer: str, url: str | None, now: Callable[[], float] = monotonic) -> None:
        self._issuer = issuer
        self._url = url
        self._now = now
        self._known: Mapping[str, Json] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def key(self, key_id: object, algorithm: str) -> jwt.PyJWK:
        """The key that signs so. ``key_id`` None: the only one there is.

        Unauthenticated where there is none, Unavailable where none can be had from the issuer.
        """
        found = self._find(key_id)
        if found is None or self._age() > FRESH_SECONDS:
            await self._refresh(lambda: self._find(key_id) is not None and self._age() <= FRESH_SECONDS)
            found = self._find(key_id)
        if self._age() > STALE_SECONDS:
            raise Unavailable("The issuer's keys cannot be had now", retry_after=PAUSE_SECONDS)
        if found is None or found.get("alg", algorithm) != algorithm:
            raise Unauthenticated("The token is signed by no key of its issuer")
        return jwt.PyJWK.from_dict(found, algorithm)

    def _find(self, key_id: object) -> Json | None:
        if key_id is None and len(self._known) == 1:
            return next(iter(self._known.values()))
        return self._known.get(key_id) if isinstance(key_id, str) else None

    def _age(self) -> float:
        return self._now() - self._fetched_at

    async def _refresh(self, settled: Callable[[], bool]) -> None:
        """Fetch the keys, unless somebody just has, or tried to."""
        async with self._fetching:
            if settled() or self._now() - self._tried_at < PAUSE_SECONDS:
                return
            self._tried_at = self._now()
            try:
                self._known = _usable(await self._fetch())
                self._fetched_at = self._now()
            except Unavailable as error:
                log.warning("the keys of %s are not to be had: %s", self._issuer, error)

    async def _fetch(self) -> Json:
        with translated(_ERRORS, "the issuer"):
            async with asyncio.timeout(FETCH_SECONDS), _client() as client:
                return await _json(client, self._url or await self._discovered(client))

    async def _discovered(self, client: httpx.AsyncClient) -> str:
        """OpenID Connect Discovery 1.0, section 4."""
        document = await _json(client, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        url = document.get("jwks_uri")
        if document.get("issuer") != self._issuer:
            raise Unavailable("its discovery document is another issuer's")
        if not isinstance(url, str) or not safe(url):
            raise Unavailable("its discovery document names no https address of its keys")
        return url


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        follow_redirects=False, timeout=FETCH_SECONDS, headers={"Accept-Encoding": "identity"}
    )


async def _json(client: httpx.AsyncClient, url: str) -> Json:
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


def _usable(document: Json) -> Mapping[str, Json]:
    """Public keys for signatures, by id; one without has its place for it."""
    keys: Any = document.get("keys")
    listed = keys[:_MOST_KEYS] if isinstance(keys, list) else []
    return {
        str(key.get("kid", place)): key
        for place, key in enumerate(listed)
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
    }
