"""Packs: many blobs as one stream of a backup, which later backups have in common."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from rag.stores.backups.contents import SavedBlob

THIN_PACKS = 16
"""Packs with little in them, or little that is still there; one more, and they are packed together."""


def kept(blobs: Iterable[SavedBlob], live: Collection[str], part_bytes: int) -> tuple[SavedBlob, ...]:
    """Of an earlier backup's ``blobs`` those that stay where they are, and are among the ``live`` keys.

    A pack is thin with less than half a part that is live: of few of those nothing is read again.
    """
    there = [blob for blob in blobs if blob.stream and blob.key in live]
    sizes: Counter[str] = Counter()
    for blob in there:
        sizes[blob.stream] += blob.size
    thin = thin_packs(sizes, part_bytes)
    return tuple(blob for blob in there if blob.stream not in thin)


def thin_packs(sizes: Mapping[str, int], part_bytes: int) -> Collection[str]:
    """Of packs, by how many bytes of each are live, those that are to be packed together; none of a few."""
    thin = {stream for stream, size in sizes.items() if size < part_bytes / 2}
    return thin if len(thin) > THIN_PACKS else ()
