"""Whether Redis still has the records, and the claim of the process that rebuilds them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from uuid import uuid4

from redis import Redis

from rag.errors import Unavailable
from rag.redis.connection import PREFIX, Scripts, expire_within, reaching_redis
from rag.redis.record_format import note_format

_INTACT, _LOCK = f"{PREFIX}intact", f"{PREFIX}recovery"
_LOCK_MS = 30_000


class Claim:
    """The right to rebuild the records; it is lost when Redis loses its data again."""

    def __init__(self, scripts: Scripts, token: str, run_id: str) -> None:
        self._scripts = scripts
        self._token = token
        self._run_id = run_id

    def renew(self) -> None:
        """Keep the claim for 30 s more. Unavailable when it is lost."""
        self._require(self._scripts.run("renew", [_LOCK], self._token, _LOCK_MS))

    def conclude(self) -> None:
        """Mark the records as intact, which opens the fence. Unavailable when the claim is lost."""
        self._require(self._scripts.run("conclude", [_LOCK, _INTACT], self._token, self._run_id))

    def release(self) -> None:
        """Give up the claim, so that another process can try."""
        self._scripts.run("release", [_LOCK], self._token)

    @staticmethod
    def _require(held: int) -> None:
        if not held:
            raise Unavailable("Redis lost its records again while they were rebuilt", retry_after=2)


class Recovery:
    """The marker without which every script refuses, and the claim to set it.

    The marker names the run of the server on which the records were last complete. Without a
    marker Redis has lost them. With another run it was restarted, or another server has taken
    over, and the last second may be missing.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client, "recovery/recovery", fenced=False)

    def intact(self) -> bool:
        """Whether the records have been complete since the server was started."""
        with reaching_redis():
            marker = cast(bytes | None, self._client.get(_INTACT))
        return marker is not None and marker.decode() == self._run_id()

    def under_way(self) -> bool:
        """Whether a process is rebuilding the records now."""
        with reaching_redis():
            expire_within(self._client, _LOCK, _LOCK_MS / 1000)
            return bool(self._client.exists(_LOCK))

    def note_format(self) -> None:
        """Write the format of the records that are being rebuilt."""
        note_format(self._client)

    @contextmanager
    def claimed(self) -> Iterator[Claim | None]:
        """The claim until the block ends; None while another process has it."""
        token, run_id = uuid4().hex, self._run_id()
        with reaching_redis():
            free = self._client.set(_LOCK, token, nx=True, px=_LOCK_MS)
        if not free:
            yield None
            return
        claim = Claim(self._scripts, token, run_id)
        try:
            yield claim
        finally:
            claim.release()

    def _run_id(self) -> str:
        with reaching_redis():
            return str(self._client.info("server")["run_id"])
