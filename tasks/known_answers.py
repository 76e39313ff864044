"""Answers for whoever asks the same again while nothing was published or deleted in the collection.

An answer is kept under everything that it depends on, the collection's revision among it. That
is read before the search: what is published in between makes an entry that nobody looks for. A
deletion moves the revision in the step that hides the document, so nothing of what was deleted is
ever found here.
"""

import json
import zlib
from collections.abc import Callable
from hashlib import sha256

from rag.bounds import encoded
from rag.errors import NotFound
from rag.model import CacheKind, Collection, Job, Json
from rag.settings import Settings
from rag.settings.models import ModelSettings
from tasks.embedders import tenant_of
from tasks.results import is_not_found, with_pending, with_times
from tasks.run import Done, StageRun

RECIPE = 3
"""Raised with every change to how passages are found, weighed, cited and put to a model."""

_KEY = "answer_key"


def recall(run: StageRun, collection: Collection | None) -> Done | None:
    """The end of a job whose question was answered before. None: this one's answer may be kept."""
    if collection is None or not cacheable(run.job, run.tools.settings):
        return None
    key = _key(run.job, collection, run.tools.settings)
    kept = run.tools.cache.get(CacheKind.ANSWERS, [key]).get(key)
    if kept is None:
        run.keep(_KEY, key.encode())
        return None
    result: Json = {**json.loads(zlib.decompress(kept)), "cached": True}
    if is_not_found(result):
        result = with_pending(result, run.tools.jobs.coming(collection.name))
    if result["answer"] is not None:
        run.token(result["answer"])
    return Done(lambda job, seconds: with_times(result, job, seconds))


def keeping(run: StageRun, result: Json) -> Callable[[], None] | None:
    """What keeps ``result`` once its job has succeeded; None where it is not to be kept."""
    if not cacheable(run.job, run.tools.settings):
        return None
    try:
        key = run.kept(_KEY).decode()
    except NotFound:  # there was no collection when the question was embedded
        return None
    packed = zlib.compress(encoded(result), 1)
    return lambda: run.tools.cache.put(CacheKind.ANSWERS, {key: packed})


def cacheable(job: Job, settings: Settings) -> bool:
    """Whether a question may be answered from the cache; one of an earlier release does not say."""
    return settings.cache_ttl_seconds > 0 and bool(job.inputs.get("cache", True))


def _key(job: Job, collection: Collection, settings: Settings) -> str:
    """From all that an answer depends on; of the settings, whatever is about models, lest one is missed."""
    inputs = job.inputs
    depends_on = [
        RECIPE,
        [collection.store, collection.revision, collection.embedding_model, collection.dimension],
        " ".join(inputs["question"].split()),
        [inputs[name] for name in ("top_k", "top_n", "where", "generate")],
        settings.model_dump(mode="json", include=set(ModelSettings.model_fields)),
        tenant_of(job, settings),
    ]
    return sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
