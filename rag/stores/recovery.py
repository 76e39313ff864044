"""Whether Redis still holds the records, and who may bring them in order."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from uuid import uuid4

from redis import Redis

from rag.errors import Unavailable
from rag.stores.redis import PREFIX, Scripts, expire_within, reaching_redis

_INTACT, _LOCK = f"{PREFIX}intact", f"{PREFIX}recovery"
_LOCK_MS = 30_000


class Claim:
    """The right to bring the records in order, lost when Redis loses its data again."""

    def __init__(self, scripts: Scripts, word: str, run_id: str) -> None:
        self._scripts = scripts
        self._word = word
        self._run_id = run_id

    def renew(self) -> None:
        """Keep it for 30 s more. Unavailable when it is lost."""
        self._require(self._scripts.run("renew", [_LOCK], self._word, _LOCK_MS))

    def conclude(self) -> None:
        """The records are in order: let everybody in. Unavailable when the claim is lost."""
        self._require(self._scripts.run("conclude", [_LOCK, _INTACT], self._word, self._run_id))

    def release(self) -> None:
        """Let somebody else try."""
        self._scripts.run("release", [_LOCK], self._word)

    @staticmethod
    def _require(held: int) -> None:
        if not held:
            raise Unavailable("Redis lost its records again while they were rebuilt", retry_after=2)


class Recovery:
    """The marker without which every script refuses, and the claim to whoever sets it.

    The marker names the run of the server that the records were last brought in order on. No
    marker: Redis has lost them. Another run: it was started again or another server has taken
    over, and its last second may be missing.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client, "recovery", fenced=False)

    def intact(self) -> bool:
        """Whether the records were brought in order since the server was started."""
        with reaching_redis():
            marker = cast(bytes | None, self._client.get(_INTACT))
        return marker is not None and marker.decode() == self._run_id()

    def under_way(self) -> bool:
        """Whether somebody brings them in order at this moment."""
        with reaching_redis():
            expire_within(self._client, _LOCK, _LOCK_MS / 1000)
            return bool(self._client.exists(_LOCK))

    @contextmanager
    def claimed(self) -> Iterator[Claim | None]:
        """The claim for the length of the block; None while somebody else has it."""
        word, run_id = uuid4().hex, self._run_id()
        with reaching_redis():
            free = self._client.set(_LOCK, word, nx=True, px=_LOCK_MS)
        if not free:
            yield None
            return
        claim = Claim(self._scripts, word, run_id)
        try:
            yield claim
        finally:
            claim.release()

    def _run_id(self) -> str:
        with reaching_redis():
            return str(self._client.info("server")["run_id"])
