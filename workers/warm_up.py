"""What a worker loads and tries before it takes its first task."""

import logging
from time import monotonic, sleep

from rag.errors import ConfigurationError, Unavailable
from rag.model import Stage
from rag.ports import VectorStore
from rag.settings import Settings
from rag.startup import first_call
from tasks.documents.layouts import embedder_for, require_room
from tasks.lane_groups import LaneGroup
from workers.recognition.files import INSTALL, is_installed
from workers.tools import Tools

BOOT_SECONDS = 30.0

log = logging.getLogger(__name__)


def warm(tools: Tools, group: LaneGroup) -> None:
    """Load and try what the lanes' stages use; wait for the vector engine where they use it.

    Raises what the roles' ``warm`` raise, and Unavailable when the engine stays away.
    """
    for stage in sorted(group.stages | (tools.follow_ups & {Stage.GENERATE})):
        match stage:
            case Stage.PARSE:
                tools.parser.warm()
            case Stage.RECOGNISE:
                # The models are loaded for the first scan: many installations never get one.
                require_recognition(tools.settings)
            case Stage.EMBED | Stage.EMBED_QUERY:
                # Where lanes share workers, the one for questions tries the same model. So that for documents
                # loads it with the first one.
                _require_embedder(tools, load=stage is Stage.EMBED_QUERY or group.pool != "solo")
            case Stage.RERANK:
                tools.reranker.warm()
            case Stage.GENERATE:
                tools.generator.warm()
            case Stage.INDEX | Stage.SEARCH | Stage.PURGE | Stage.SNAPSHOT:
                wait_for_engine(tools.vectors)


def _require_embedder(tools: Tools, *, load: bool) -> None:
    """Check that vectors of the model fit the settings; ``load``: and the model itself."""
    embedder = embedder_for(tools, None)
    require_room(embedder, tools.settings)
    if load:
        embedder.warm()


def require_recognition(settings: Settings) -> None:
    """Raise ConfigurationError where OCR=always asks for a recognition that is not installed; else log it."""
    if settings.ocr == "off" or is_installed():
        return
    if settings.ocr == "always":
        raise ConfigurationError(f"OCR is always, and text recognition is not installed: {INSTALL}")
    log.info("scans and pictures are not read: text recognition is not installed: %s", INSTALL)


def wait_for_engine(vectors: VectorStore, *, patience: float = BOOT_SECONDS) -> None:
    """Return once the engine answers. Unavailable when it does not within ``patience`` seconds.

    ConfigurationError at once when it refuses access.
    """
    deadline, logged = monotonic() + patience, False
    while True:
        try:
            with first_call():
                vectors.ping()
        except Unavailable as error:
            if monotonic() > deadline:
                raise
            log.log(logging.DEBUG if logged else logging.WARNING, "waiting for the vector engine: %s", error)
            logged = True
            sleep(1.0)
        else:
            return
