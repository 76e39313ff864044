"""Replaces a collection by a restored one of the same name, in one step: reserve, stage, replace."""

from collections.abc import Iterable, Iterator
from itertools import islice

from redis import Redis

from rag.journal.entries import document_json
from rag.model import Document, Hold, Lease, Replacement, Reservation
from rag.redis.connection import PREFIX, Call, Scripts
from rag.registry.rows import collection_key

STAGED_SECONDS = 86400
_BATCH = 500


class Replacements:
    """The part of ``DocumentRegistry`` on Redis that restores collections."""

    _client: Redis
    _scripts: Scripts

    def reserve(self, collection: str, job_id: str, *, above: int) -> Reservation:
        generation = self._scripts.run("reserve", [collection_key(collection)], collection, job_id, above)
        return Reservation(collection, int(generation), job_id)

    def reservations(self) -> tuple[Reservation, ...]:
        found = [text.decode() for text in self._scripts.run("reservations", [PREFIX], "")]
        reservations = []
        for place, hold in zip(found[::2], found[1::2], strict=True):
            collection, _, generation = place.rpartition("-")
            job_id, _, state = hold.partition(" ")
            reservations.append(Reservation(collection, int(generation), job_id, Hold(state)))
        return tuple(reservations)

    def release(self, reservation: Reservation) -> None:
        self._held("release", reservation)

    def give_up(self, reservation: Reservation) -> bool:
        return self._held("give_up", reservation)

    def reservation_superseded(self, reservation: Reservation) -> bool:
        name, key = reservation.collection, collection_key(reservation.collection)
        return bool(self._scripts.run("reservation_superseded", [key], name, reservation.generation))

    def stage(self, reservation: Reservation, documents: Iterable[Document], *, afresh: bool = False) -> None:
        key, name = _staged_key(reservation), reservation.collection
        if afresh:
            self._scripts.run("stage", [key], name, STAGED_SECONDS)
        for batch in batches(documents):
            calls: Iterator[Call] = (
                (
                    [key],
                    (
                        name,
                        STAGED_SECONDS,
                        document.document_id,
                        document.version,
                        document.chunks,
                        document_json(document),
                        document.confirmed,
                        document.size,
                        document.owner,
                    ),
                )
                for document in batch
            )
            self._scripts.run_each("stage", calls)

    def replace(self, replacement: Replacement, *, under: Lease) -> bool:
        reservation = replacement.reservation
        name = reservation.collection
        keys = [collection_key(name), f"{PREFIX}job:{under.job.id}", _staged_key(reservation)]
        lease = reservation.generation, under.token, reservation.job_id
        described = replacement.embedding_model, replacement.dimension, replacement.created_at
        return bool(
            self._scripts.run("replace_collection", keys, name, *lease, *described, replacement.above)
        )

    def _held(self, script: str, reservation: Reservation) -> bool:
        held = reservation.collection, reservation.generation, reservation.job_id
        return bool(self._scripts.run(script, [collection_key(reservation.collection)], *held))


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """The documents in lists of the size that is written at once."""
    left = iter(documents)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _staged_key(reservation: Reservation) -> str:
    return f"{PREFIX}staged:{reservation.job_id}:{reservation.collection}"
