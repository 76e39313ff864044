"""Candidates come to serve: their documents are staged, then take a collection's place in one step."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from rag.errors import Conflict
from rag.model import Document, Replacement
from rag.stores.backups.opened import OpenBackup
from tasks.layouts import point_alias
from tasks.restoring.candidates import Candidate, Plan, keep
from tasks.restoring.reservations import is_over
from tasks.restoring.slices import Slice
from tasks.run import StageRun

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Succession:
    """Of the candidates of a plan, under ``run``."""

    run: StageRun
    backup: OpenBackup

    def staged(self, plan: Plan, candidate: Candidate, turn: Slice) -> tuple[Plan, bool]:
        """Note the documents that are to be seen; whether these are all. Begun afresh at the first one."""
        present = self.run.tools.documents.collection(candidate.name)
        if present is not None and present.generation == candidate.generation:
            return plan, True
        documents, reservation = self._documents(candidate), candidate.reservation(self.run.job.id)
        afresh = candidate.staged == 0
        for batch in _batches(islice(documents, candidate.staged, None)):
            if turn.over(self.run):
                return self._paused(plan, candidate), False
            self.run.tools.documents.stage(reservation, batch, afresh=afresh)
            afresh = False
            candidate = replace(candidate, staged=candidate.staged + len(batch))
            plan = keep(self.run, plan.having(candidate))
        if afresh:  # there are none
            self.run.tools.documents.stage(reservation, (), afresh=True)
        return plan, True

    def _paused(self, plan: Plan, candidate: Candidate) -> Plan:
        """Leaves nothing when the job is over: whoever purges it may have come already."""
        if is_over(self.run.tools, self.run.job.id):
            self.run.tools.documents.stage(candidate.reservation(self.run.job.id), (), afresh=True)
        return plan

    def switched(self, plan: Plan, candidate: Candidate) -> Plan:
        """Let the candidate serve. Conflict when a collection of its name was made meanwhile.

        Nothing changes when the job was cancelled or taken over.
        """
        tools, saved = self.run.tools, self.backup.collection(candidate.saved)
        replacement = Replacement(
            reservation=candidate.reservation(self.run.job.id),
            embedding_model=saved.embedding_model,
            dimension=saved.dimension,
            created_at=saved.created_at,
            above=saved.highest,
        )
        if not tools.documents.replace(replacement, under=self.run.lease):
            return self._refused(plan, candidate)
        collection = tools.documents.collection(candidate.name)
        if collection is not None and saved.files:
            point_alias(tools.vectors, collection)
        return keep(self.run, plan.having(replace(candidate, serves=True)))

    def _refused(self, plan: Plan, candidate: Candidate) -> Plan:
        if not self.run.holds():
            return plan
        keep(self.run, plan.having(replace(candidate, staged=0)))
        raise Conflict(
            f"A collection {candidate.name!r} was made while it was being restored: delete it, or restore "
            "into another name (--into)"
        )

    def _documents(self, candidate: Candidate) -> Iterator[Document]:
        """Those whose points are all there, as they are to be."""
        left_out = set(candidate.incomplete)
        for saved in self.backup.documents(self.backup.collection(candidate.saved)):
            document = saved.document
            if document.document_id not in left_out:
                yield replace(
                    document,
                    collection=candidate.name,
                    generation=candidate.generation,
                    source_key=candidate.own(document.source_key),
                    text_key=candidate.own(document.text_key),
                )


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while batch := list(islice(documents, _BATCH)):
        yield batch
