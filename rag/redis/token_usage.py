"""Tokens used at remote models, as their servers count them, by model and purpose."""

from collections.abc import Mapping
from typing import cast

from redis import Redis

from rag.redis.connection import PREFIX, reaching_redis

_TOKENS = f"{PREFIX}tokens"

ModelPurpose = tuple[str, str]


class TokenUsage:
    """Counts of all workers together, stored in Redis. Raises Unavailable when it is away."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def add(self, model: str, purpose: str, tokens: int) -> None:
        """``purpose``: what the model was called for, such as ``passage``, ``query`` or ``rerank``."""
        with reaching_redis():
            self._client.hincrby(_TOKENS, f"{purpose} {model}", tokens)

    def totals(self) -> Mapping[ModelPurpose, int]:
        """Tokens by model and purpose."""
        with reaching_redis():
            counted = cast(dict[bytes, bytes], self._client.hgetall(_TOKENS))
        fields = ((field.decode().partition(" "), int(tokens)) for field, tokens in counted.items())
        return {(model, purpose): tokens for (purpose, _, model), tokens in fields}
