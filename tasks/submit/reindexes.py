"""Submitting changes of a collection's layout: begin one, take it back, make it final."""

import logging

from rag.errors import Conflict, InvalidRequest, UnknownCollection
from rag.model import Collection, JobKind, JobState, LayoutState, NewJob, Stage
from rag.naming import new_id
from rag.ports import Accepted, DocumentRegistry, JobStore, is_over
from rag.registry.rows import in_use
from rag.settings import Settings
from rag.settings.derived import BUNDLED_DIMENSION
from tasks import app as celery
from tasks.app import sending
from tasks.submit.acceptance import Acceptance
from tasks.submit.requests import Idempotency, Reindexing

log = logging.getLogger(__name__)


class LayoutSubmissions:
    """Accepts reindexes. Rolling back and finishing take effect at once."""

    def __init__(
        self, settings: Settings, jobs: JobStore, documents: DocumentRegistry, acceptance: Acceptance
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._documents = documents
        self._acceptance = acceptance

    def reindex(
        self, asked: Reindexing, idempotency: Idempotency | None = None, *, owner: str = ""
    ) -> Accepted:
        """Embed the collection again. UnknownCollection, InvalidRequest, Conflict.

        ``owner``: name of the caller's key.
        """
        if earlier := self._acceptance.repeated(idempotency):
            return earlier
        collection = self._collection(asked.collection)
        model, dimension = self._target(asked)
        self._check_possible(collection, model, dimension, force=asked.force)
        job = NewJob(
            id=new_id(),
            kind=JobKind.REINDEX,
            stage=Stage.REEMBED,
            collection=collection.name,
            inputs={
                "generation": collection.generation,
                "model": model,
                "dimension": dimension,
                "tolerance": asked.tolerance,
                "force": asked.force,
            },
            owner=owner,
        )
        return self._acceptance.hand_in(job, idempotency)

    def roll_back(self, name: str) -> Collection:
        """Let the layout serve that did before the last change. Nothing changes when it serves already.

        UnknownCollection; Conflict when that layout is not kept any more.
        """
        collection = self._collection(name)
        second = collection.second
        if second is None or second.state is not LayoutState.KEPT:
            raise Conflict(f"Collection {name!r} has no earlier layout that could be gone back to")
        if second.layout.number < collection.layout:
            self._documents.switch_layout(collection, second.layout.number)
            self.look_after()
        return self._collection(name)

    def finish(self, name: str) -> Collection:
        """Drop the layout that does not serve, if there is one. UnknownCollection.

        Conflict while a job builds it.
        """
        collection = self._collection(name)
        second = collection.second
        if second is not None:
            building = second.state is LayoutState.BUILDING
            if building and not is_over(self._jobs, second.layout.job_id):
                raise Conflict(f"Job {second.layout.job_id} still embeds the collection: cancel that first")
            self._documents.end_layout(collection, second.layout.number)
            self.look_after()
        return self._collection(name)

    def look_after(self) -> None:
        """Let the vector store follow the registry at once. Without a broker it does so within a minute."""
        try:
            with sending():
                celery.app.send_task("aegis.maintenance.layouts")
        except celery.PUBLISH_ERRORS as error:
            log.warning("the vector store will follow the registry later: %s", error)

    def _collection(self, name: str) -> Collection:
        collection = self._documents.collection(name)
        if collection is None:
            raise UnknownCollection(f"There is no collection {name!r}")
        return collection

    def _target(self, asked: Reindexing) -> tuple[str, int]:
        """The model and dimension to embed with. InvalidRequest, Conflict."""
        settings = self._settings
        model = asked.model or settings.embedding_name
        match settings.embedder_of(model):
            case None:
                raise Conflict(
                    f"These settings give no access to {model}: set the address or key of its server first "
                    "(JINA_API_KEY or JINA_BASE_URL; OLLAMA_URL for a model named ollama:NAME)"
                )
            case "bundled":
                if asked.dimension not in (None, BUNDLED_DIMENSION):
                    raise InvalidRequest(f"dimension: {model} has {BUNDLED_DIMENSION}")
                return model, BUNDLED_DIMENSION
        return model, asked.dimension or settings.vector_size

    def _check_possible(self, collection: Collection, model: str, dimension: int, *, force: bool) -> None:
        """Raise Conflict if the collection is embedded so already, or is in the middle of another change."""
        if (model, dimension) == (collection.embedding_model, collection.dimension) and not force:
            raise Conflict(
                f"Collection {collection.name!r} is embedded by {model} ({dimension} dimensions) already; "
                "force embeds it again"
            )
        still_open = (JobState.QUEUED, JobState.RUNNING)
        window = self._jobs.page(
            states=still_open, kinds=[JobKind.REINDEX], collections=[collection.name], cursor=None, limit=1
        )
        if window.items:
            raise Conflict(
                f"Job {window.items[0].id} reindexes collection {collection.name!r} already: wait for it, "
                "or cancel it"
            )
        second = collection.second
        if second and (second.layout.embedding_model, second.layout.dimension) != (model, dimension):
            raise Conflict(in_use(collection, second))
