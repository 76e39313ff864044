"""What a prune leaves, and what it removes."""

from dataclasses import replace
from time import time

import pytest

from rag.model import (
    JobKind,
    JobState,
    Manifest,
)
from tasks.submit.backups import Restoring
from tasks.submit.submissions import Submissions
from tests.deliveries import finished, step
from tests.integration.backups.making import COLLECTION, asked, ingested, made, names, parts_in
from tests.integration.inprocess import InProcess

DAY = 86_400.0


def aged(tools: InProcess, manifest: Manifest, days: float) -> None:
    tools.vault.seal(replace(manifest, finished_at=time() - days * DAY))


@pytest.mark.usefixtures("sliced")
def test_a_prune_leaves_what_is_needed(tools: InProcess, desk: Submissions) -> None:
    """By backups that are kept, one that is restored, and one that is being made."""
    ingested(tools, desk, *names(3))
    old, restoring = made(tools, desk), made(tools, desk)
    finished(tools, desk.delete_document(COLLECTION, "isle00").id)
    newest = made(tools, desk)
    for each in (old, restoring):
        aged(tools, each, 60)
    restore = desk.backups.restore(Restoring(restoring.id)).job.id
    ingested(tools, desk, "since")
    being_made, before = asked(desk), parts_in(tools)
    while not (sent := parts_in(tools) - before):
        step(tools, being_made)

    first = finished(tools, desk.backups.prune().job.id)
    assert sent | set(restoring.parts) <= parts_in(tools)
    tools.jobs.cancel(restore)
    assert finished(tools, being_made).state is JobState.SUCCEEDED
    second = finished(tools, desk.backups.prune().job.id)

    assert first.result is not None
    assert (first.result["kept"], first.result["removed"]) == (2, 1)
    assert second.result is not None
    assert (second.result["kept"], second.result["removed"]) == (2, 1)
    assert tools.vault.backups() == [being_made, newest.id]
    assert parts_in(tools) == {*newest.parts, *tools.vault.manifest(being_made).parts}
    assert tools.backup_status.results()[JobKind.PRUNE]["ok"]


def test_a_prune_removes_nothing_that_it_cannot_judge(tools: InProcess, desk: Submissions) -> None:
    ingested(tools, desk, "isle00")
    manifest = made(tools, desk)
    spoiled = tools.settings.home / "backups" / "manifests" / manifest.id
    spoiled.write_bytes(spoiled.read_bytes()[:-3])

    job = finished(tools, desk.backups.prune().job.id)

    assert job.state is JobState.FAILED
    assert job.error is not None
    assert f"manifests/{manifest.id}" in job.error["detail"]
    assert set(manifest.parts) <= parts_in(tools)
    assert not tools.backup_status.results()[JobKind.PRUNE]["ok"]
