"""A copy of several collections as they are at one moment, for which writes wait less than a second.

Files are copied while everything goes on, and once more what changed meanwhile. Then the writes to
all the collections wait, until their shards are flushed and the last changes are copied. Token
vectors are only pinned in that moment, and copied afterwards.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic

from rag.errors import TimedOut, Unavailable
from rag.stores.disks import require_room
from rag.stores.vectors.collection import EdgeCollection
from rag.stores.vectors.copying.mirror import Mirror, notes_changes, stored_bytes
from rag.stores.vectors.copying.pins import PinnedTokens
from rag.stores.vectors.copying.sparse import Check
from rag.stores.vectors.folders import sync_tree

log = logging.getLogger(__name__)

HELD_SECONDS = 0.8
"""For which writes wait at most. A copy that is not done by then is tried again."""

_ATTEMPTS = 5
_ROUNDS = 2
_BETWEEN = 1.0
_LATER = 300.0
_TOKENS = "tokens.sqlite"
_WITHOUT = (_TOKENS, "shard/wal/tmp-")  # the engine makes the next file of its log in the background


class PausedCopy:
    """Of ``collections`` into ``folder``, a folder each, as the engine's own; ``check`` raises to give up."""

    def __init__(self, folder: Path, collections: Sequence[EdgeCollection], check: Check) -> None:
        self._folder, self._collections, self._check = folder, collections, check
        noting = notes_changes(folder)
        self._parts = [_Part(each, folder, noting=noting) for each in collections]

    def make(self) -> None:
        """Whole and on disk, or Unavailable when there is no room or the disk is too slow."""
        require_room(self._folder, stored_bytes(each.folder.path for each in self._collections))
        with ExitStack() as stack:
            pins = {
                each.folder.path.name: stack.enter_context(closing(PinnedTokens(each.folder.tokens)))
                for each in self._collections
                if each.folder.spec.token_dimension
            }
            self._freeze(list(pins.values()))
            for name, pinned in pins.items():
                pinned.save(self._folder / name / _TOKENS, self._check)
        sync_tree(self._folder)

    def _freeze(self, pins: Sequence[PinnedTokens]) -> None:
        for _ in range(_ATTEMPTS):
            for _ in range(_ROUNDS):
                for part in self._parts:
                    part.refresh(self._check)
            if self._try_to_finish(pins):
                return
            time.sleep(_BETWEEN)
        raise Unavailable(
            f"the vector engine could not be copied with writes held back for {HELD_SECONDS} s, "
            f"{_ATTEMPTS} times: the disk is too slow for what is written",
            retry_after=_LATER,
        )

    def _try_to_finish(self, pins: Sequence[PinnedTokens]) -> bool:
        """Whether the rest could be copied in time."""
        began = monotonic()
        try:
            self._finish(pins, began + HELD_SECONDS)
        except TimedOut as late:
            log.warning("writes were held back for nothing: %s", late)
            return False
        log.info(
            "copied %d collections; writes waited %.0f ms", len(self._parts), 1000 * (monotonic() - began)
        )
        return True

    def _finish(self, pins: Sequence[PinnedTokens], until: float) -> None:
        def in_time() -> None:
            self._check()
            if monotonic() > until:
                raise TimedOut("the last changes were not copied in time")

        with ExitStack() as held:
            for collection in self._collections:
                held.enter_context(collection.held(until))
            for part in self._parts:
                part.finish(in_time)
            for pinned in pins:
                pinned.pin()


class _Part:
    """A collection, and its copy beneath ``folder``."""

    def __init__(self, collection: EdgeCollection, folder: Path, *, noting: bool) -> None:
        place = collection.folder.path
        self._collection = collection
        self._mirror = Mirror(place, folder / place.name, without=_WITHOUT, noting=noting)
        self._writes = collection.writes

    def refresh(self, check: Check) -> None:
        """What changed, while it goes on changing."""
        self._writes = self._collection.writes
        self._mirror.refresh(check)

    def finish(self, check: Check) -> None:
        """The rest, while writes are held back."""
        if self._collection.writes != self._writes:
            self._collection.flush()
            self._mirror.finish(check)
