"""Candidates come to serve: their documents are staged, then take a collection's place in one step."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from rag.backups.packs import OpenBackup
from rag.errors import Conflict
from rag.model import Document, Replacement
from rag.ports import is_over
from tasks.backups.plan import Candidate, Plan, Slice, keep
from tasks.documents.layouts import point_alias
from tasks.stages.run import StageRun

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Succession:
    """Of the candidates of a plan, under ``run``."""

    run: StageRun
    backup: OpenBackup

    def staged(self, plan: Plan, turn: Slice) -> tuple[Plan, bool]:
        """Note the documents that are to be seen, of each that does not serve; whether these are all."""
        complete = True
        for candidate in plan.candidates:
            if complete and not candidate.serves:
                plan, complete = self._stage(plan, candidate, turn)
        return plan, complete

    def _stage(self, plan: Plan, candidate: Candidate, turn: Slice) -> tuple[Plan, bool]:
        """Begun afresh at the first document."""
        present = self.run.tools.documents.collection(candidate.name)
        if present is not None and present.generation == candidate.generation:
            return plan, True
        documents, reservation = self._documents(candidate), candidate.reservation(self.run.job.id)
        afresh = candidate.staged == 0
        for batch in _batches(islice(documents, candidate.staged, None)):
            if turn.over(self.run):
                return self._pause(plan, candidate), False
            self.run.tools.documents.stage(reservation, batch, afresh=afresh)
            afresh = False
            candidate = replace(candidate, staged=candidate.staged + len(batch))
            plan = keep(self.run, plan.having(candidate))
        if afresh:  # there are none
            self.run.tools.documents.stage(reservation, (), afresh=True)
        return plan, True

    def _pause(self, plan: Plan, candidate: Candidate) -> Plan:
        """Leaves nothing when the job is over: whoever purges it may have come already."""
        if is_over(self.run.tools.jobs, self.run.job.id):
            self.run.tools.documents.stage(candidate.reservation(self.run.job.id), (), afresh=True)
        return plan

    def switched(self, plan: Plan) -> tuple[Plan, bool]:
        """Let all serve, one right after the other; whether all do, which they do not when the job is lost.

        Conflict when a collection of such a name was made meanwhile: nothing has changed. Where some serve
        already, the one that cannot is left out and told as missing, so that they get what came later.
        """
        waiting = [each for each in plan.candidates if not each.serves]
        for each in waiting:
            if self._surpassed(each):
                plan = self._left_out(plan, each)
        for each in waiting:
            if each in plan.candidates:
                plan = self._switch(plan, each)
        return plan, all(each.serves for each in plan.candidates)

    def _switch(self, plan: Plan, candidate: Candidate) -> Plan:
        """Nothing changes when the job was cancelled or taken over."""
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
        if collection is not None and saved.stored:
            point_alias(tools.vectors, collection)
        return keep(self.run, plan.having(replace(candidate, serves=True)))

    def _refused(self, plan: Plan, candidate: Candidate) -> Plan:
        if not self.run.holds():
            return plan
        if self._surpassed(candidate):
            return self._left_out(plan, candidate)
        return keep(self.run, plan.having(replace(candidate, staged=0)))  # what was staged is gone

    def _surpassed(self, candidate: Candidate) -> bool:
        return self.run.tools.documents.reservation_superseded(candidate.reservation(self.run.job.id))

    def _left_out(self, plan: Plan, candidate: Candidate) -> Plan:
        reason = (
            f"A collection {candidate.name!r} was made while it was being restored: delete it, or restore "
            "into another name (--into)"
        )
        if not any(each.serves for each in plan.candidates):
            raise Conflict(reason)
        return keep(self.run, plan.without(candidate).lacking([reason]))

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
