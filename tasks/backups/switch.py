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
    """Switches the collections of a plan, for the job of ``run``."""

    run: StageRun
    backup: OpenBackup

    def stage(self, plan: Plan, turn: Slice) -> tuple[Plan, bool]:
        """Stage the documents of each collection that does not serve yet; whether these are all."""
        documents = self.run.tools.documents
        for planned in plan.collections:
            present = documents.collection(planned.name)
            if planned.serves or (present is not None and present.generation == planned.generation):
                continue
            reservation, staged = planned.reservation(self.run.job.id), planned.staged
            left = islice(self._documents(planned), staged, None)
            while batch := list(islice(left, _BATCH)):
                if turn.over(self.run):
                    if is_over(self.run.tools.jobs, self.run.job.id):
                        # The purge of the job may have come already, so nothing may stay.
                        documents.stage(reservation, (), afresh=True)
                    return plan, False
                documents.stage(reservation, batch, afresh=staged == 0)
                staged += len(batch)
                plan = save_plan(self.run, plan.having(replace(planned, staged=staged)))
            if staged == 0:
                documents.stage(reservation, (), afresh=True)
        return plan, True

    def switch(self, plan: Plan) -> tuple[Plan, bool]:
        """Let all collections serve, one right after the other; whether all do.

        They do not when the job is lost. Conflict when a collection of such a name was made meanwhile, and
        none serves yet: nothing has changed then. Otherwise the plan lists it as missing, so that the others
        get their replay.
        """
        waiting = [each for each in plan.collections if not each.serves]
        for each in waiting:
            if self._superseded(each):
                plan = self._leave_out(plan, each)
        for each in waiting:
            if each in plan.collections:
                plan = self._switch_collection(plan, each)
        return plan, all(each.serves for each in plan.collections)

    def _switch_collection(self, plan: Plan, planned: PlannedCollection) -> Plan:
        """Nothing changes when the job was cancelled or taken over."""
        tools, saved = self.run.tools, self.backup.collection(planned.saved)
        replacement = Replacement(
            reservation=planned.reservation(self.run.job.id),
            embedding_model=saved.embedding_model,
            dimension=saved.dimension,
            created_at=saved.created_at,
            above=saved.highest,
        )
        if tools.documents.replace(replacement, under=self.run.lease):
            collection = tools.documents.collection(planned.name)
            if collection is not None and saved.stored:
                point_alias(tools.vectors, collection)
            return save_plan(self.run, plan.having(replace(planned, serves=True)))
        if not self.run.holds():
            return plan
        if self._superseded(planned):
            return self._leave_out(plan, planned)
        return save_plan(self.run, plan.having(replace(planned, staged=0)))  # the staged documents are gone

    def _superseded(self, planned: PlannedCollection) -> bool:
        return self.run.tools.documents.reservation_superseded(planned.reservation(self.run.job.id))

    def _leave_out(self, plan: Plan, planned: PlannedCollection) -> Plan:
        reason = (
            f"A collection {planned.name!r} was made while it was being restored: delete it, or restore "
            "into another name (--into)"
        )
        if not any(each.serves for each in plan.collections):
            raise Conflict(reason)
        return save_plan(self.run, plan.without(planned).lacking([reason]))

    def _documents(self, planned: PlannedCollection) -> Iterator[Document]:
        """The documents whose points are all there, as those of the planned collection."""
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
