"""The bound on a worker's memory: what takes more fails, what the models take goes on."""

import subprocess
import sys
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from rag.model import JobKind, JobState, NewJob, Stage
from rag.settings import Settings
from tasks.stages.run import StageRun
from tasks.stages.stage import Outcome
from tests.deliveries import perform, record_bells
from workers.embedding.build import build
from workers.tools import Tools

PROGRAM = """
import sys
import numpy as np
from rag.settings import Settings
from workers.embedding.bundled import BundledEmbedder
from workers.startup import bound_memory

embedder = BundledEmbedder(Settings().model_dir)
embedder.warm()
bound_memory(512)
for hungry in (lambda: bytearray(1 << 30), lambda: np.ones(1 << 28)):
    try:
        hungry()
    except MemoryError:
        print("refused")
print(len(embedder.embed_passages(["a passage of some words " * 40] * 64)), "embedded")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process' memory")
def test_a_worker_that_wants_too_much_is_refused_and_goes_on() -> None:
    build(Settings().model_dir, lambda line: None)

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.stdout.splitlines() == ["refused", "refused", "64 embedded"], done.stderr


def test_a_job_that_always_wants_too_much_dies_with_that_reason(
    valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_bells(monkeypatch)
    tools = Tools(Settings(redis_url=valkey, aegis_home=tmp_path))
    job_id = tools.jobs.accept(NewJob(str(uuid7()), JobKind.QUERY, Stage.PARSE, "c", {})).job.id

    def hungry(run: StageRun) -> Outcome:
        raise MemoryError

    for _ in range(tools.settings.max_attempts):
        perform(tools, Stage.PARSE, hungry, job_id)

    job = tools.jobs.get(job_id)
    assert job is not None
    assert (job.state, job.reason) == (JobState.DEAD, "out-of-memory")
    assert "WORKER_MEMORY_MB" in (job.error or {})["detail"]
