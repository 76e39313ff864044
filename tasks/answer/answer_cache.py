"""The cache of answers: the same question gets the same answer until the collection changes.

The key of an answer has everything that the answer depends on, the collection's revision included. The
revision is read before the search, so a document published in between only makes an unused entry.
A deletion changes the revision in the step that hides the document, so nothing that was deleted is
ever found here.
"""

import json
import zlib
from collections.abc import Callable
from hashlib import sha256

from rag.errors import NotFound
from rag.model import CacheKind, Collection, Job, Json
from rag.model.bounds import encoded
from rag.settings import Settings
from rag.settings.models import ModelSettings
from tasks.answer.results import is_not_found, with_times
from tasks.documents.layouts import tenant_of
from tasks.stages.run import Done, StageRun

RECIPE = 7
"""To be increased with every change to how passages are found, weighed, cited and given to a model."""

_KEY = "answer_key"


def recall(run: StageRun, collection: Collection | None) -> Done | None:
    """The result of a question that was answered before. None: it must be answered, and may be cached."""
    job, settings = run.job, run.tools.settings
    if collection is None or not cacheable(job, settings):
        return None
    depends_on = [
        RECIPE,
        [collection.store, collection.revision, collection.embedding_model, collection.dimension],
        " ".join(job.inputs["question"].split()),
        [job.inputs[name] for name in ("top_k", "top_n", "where", "generate")],
        # all settings about models, so that none can be missed
        settings.model_dump(mode="json", include=set(ModelSettings.model_fields)),
        tenant_of(job, settings),
    ]
    key = sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    cached = run.tools.cache.get(CacheKind.ANSWERS, [key]).get(key)
    if cached is None:
        run.save(_KEY, key.encode())
        return None
    result: Json = {**json.loads(zlib.decompress(cached)), "cached": True}
    if is_not_found(result):
        result["pending_documents"] = run.tools.jobs.coming(collection.name)
    if result["answer"] is not None:
        run.token(result["answer"])
    return Done(lambda job, seconds: with_times(result, job, seconds))


def caching(run: StageRun, result: Json) -> Callable[[], None] | None:
    """A function that caches ``result``, to be called once the job has succeeded; None: do not cache it."""
    if not cacheable(run.job, run.tools.settings):
        return None
    try:
        key = run.load(_KEY).decode()
    except NotFound:  # there was no collection when the question was embedded
        return None
    packed = zlib.compress(encoded(result), 1)
    return lambda: run.tools.cache.put(CacheKind.ANSWERS, {key: packed})


def cacheable(job: Job, settings: Settings) -> bool:
    """Whether the question may be answered from the cache, and its answer cached."""
    return settings.cache_ttl_seconds > 0 and bool(job.inputs.get("cache", True))
