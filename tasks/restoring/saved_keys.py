"""Keys come back out of a backup suspended: it does not know which of them were revoked since it was made."""

from itertools import islice

from rag.stores.backups.opened import OpenBackup
from tasks.run import StageRun

_BATCH = 200


def restore_keys(run: StageRun, backup: OpenBackup) -> int:
    """How many there are again that nothing was known of here. None opens anything until it is activated.

    Their entries in the journal come first: as long as the records are missing, both are made again.
    """
    restoration, count = run.tools.restoration, 0
    known = restoration.keys.known()
    missing = (key.suspended(backup.manifest.id) for key in backup.made_keys() if key.id not in known)
    while batch := list(islice(missing, _BATCH)):
        for key in batch:
            restoration.journal.put_key(key)
        count += restoration.keys.restore(batch)
    return count
