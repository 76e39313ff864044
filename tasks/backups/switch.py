"""Lets planned collections serve: stages their documents, then replaces each collection in one step."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from rag.backups.packs import OpenBackup
from rag.errors import Conflict
from rag.model import Document, Replacement
from rag.ports import is_over
from tasks.backups.plan import Plan, PlannedCollection, Slice, save_plan
from tasks.documents.layouts import point_alias
from tasks.stages.run import StageRun

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Switch:
    """Of the collections of a plan, under ``run``."""

    run: StageRun
    backup: OpenBackup

    def stage(self, plan: Plan, turn: Slice) -> tuple[Plan, bool]:
        """Note the documents that are to be seen, of each that does not serve; whether these are all."""
        complete = True
        for planned in plan.collections:
            if complete and not planned.serves:
                plan, complete = self._stage(plan, planned, turn)
        return plan, complete

    def _stage(self, plan: Plan, planned: PlannedCollection, turn: Slice) -> tuple[Plan, bool]:
        """Begun afresh at the first document."""
        present = self.run.tools.documents.collection(planned.name)
        if present is not None and present.generation == planned.generation:
            return plan, True
        documents, reservation = self._documents(planned), planned.reservation(self.run.job.id)
        afresh = planned.staged == 0
        for batch in _batches(islice(documents, planned.staged, None)):
            if turn.over(self.run):
                return self._pause(plan, planned), False
            self.run.tools.documents.stage(reservation, batch, afresh=afresh)
            afresh = False
            planned = replace(planned, staged=planned.staged + len(batch))
            plan = save_plan(self.run, plan.having(planned))
        if afresh:  # there are none
            self.run.tools.documents.stage(reservation, (), afresh=True)
        return plan, True

    def _pause(self, plan: Plan, planned: PlannedCollection) -> Plan:
        """Leaves nothing when the job is over: whoever purges it may have come already."""
        if is_over(self.run.tools.jobs, self.run.job.id):
            self.run.tools.documents.stage(planned.reservation(self.run.job.id), (), afresh=True)
        return plan

    def switch(self, plan: Plan) -> tuple[Plan, bool]:
        """Let all serve, one right after the other; whether all do, which they do not when the job is lost.

        Conflict when a collection of such a name was made meanwhile: nothing has changed. Where some serve
        already, the one that cannot is left out and told as missing, so that they get what came later.
        """
        waiting = [each for each in plan.collections if not each.serves]
        for each in waiting:
            if self._surpassed(each):
                plan = self._left_out(plan, each)
        for each in waiting:
            if each in plan.collections:
                plan = self._switch(plan, each)
        return plan, all(each.serves for each in plan.collections)

    def _switch(self, plan: Plan, planned: PlannedCollection) -> Plan:
        """Nothing changes when the job was cancelled or taken over."""
        tools, saved = self.run.tools, self.backup.collection(planned.saved)
        replacement = Replacement(
            reservation=planned.reservation(self.run.job.id),
            embedding_model=saved.embedding_model,
            dimension=saved.dimension,
            created_at=saved.created_at,
            above=saved.highest,
        )
        if not tools.documents.replace(replacement, under=self.run.lease):
            return self._refused(plan, planned)
        collection = tools.documents.collection(planned.name)
        if collection is not None and saved.stored:
            point_alias(tools.vectors, collection)
        return save_plan(self.run, plan.having(replace(planned, serves=True)))

    def _refused(self, plan: Plan, planned: PlannedCollection) -> Plan:
        if not self.run.holds():
            return plan
        if self._surpassed(planned):
            return self._left_out(plan, planned)
        return save_plan(self.run, plan.having(replace(planned, staged=0)))  # what was staged is gone

    def _surpassed(self, planned: PlannedCollection) -> bool:
        return self.run.tools.documents.reservation_superseded(planned.reservation(self.run.job.id))

    def _left_out(self, plan: Plan, planned: PlannedCollection) -> Plan:
        reason = (
            f"A collection {planned.name!r} was made while it was being restored: delete it, or restore "
            "into another name (--into)"
        )
        if not any(each.serves for each in plan.collections):
            raise Conflict(reason)
        return save_plan(self.run, plan.without(planned).lacking([reason]))

    def _documents(self, planned: PlannedCollection) -> Iterator[Document]:
        """Those whose points are all there, as they are to be."""
        left_out = set(planned.incomplete)
        for saved in self.backup.documents(self.backup.collection(planned.saved)):
            document = saved.document
            if document.document_id not in left_out:
                yield replace(
                    document,
                    collection=planned.name,
                    generation=planned.generation,
                    source_key=planned.own(document.source_key),
                    text_key=planned.own(document.text_key),
                )


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    while batch := list(islice(documents, _BATCH)):
        yield batch
