"""The span of an attempt at a stage, with what the work came to."""

from collections.abc import Callable, Generator
from functools import wraps

from rag import tracing
from rag.errors import AegisError
from tasks.app import lane_of
from tasks.drain import Drained
from tasks.run import Next, StageRun, Steps, Work

_OUTCOME = "aegis.outcome"


def traced(work: Work) -> Callable[[StageRun], Steps]:
    """``work`` within a span; its outcome is "next: STAGE", "done", "released", or an error's code.

    Each job's steps are to be made in a context of its own.
    """

    @wraps(work)
    def traced_work(run: StageRun) -> Steps:
        with tracing.attempted(run.job, lane_of(run.job.stage).name) as span:
            try:
                made = work(run)
                outcome = (yield from made) if isinstance(made, Generator) else made
            except BaseException as error:
                span.set_attribute(_OUTCOME, _word_of(error))
                raise
            span.set_attribute(_OUTCOME, f"next: {outcome.stage}" if isinstance(outcome, Next) else "done")
            return outcome

    return traced_work


def _word_of(error: BaseException) -> str:
    if isinstance(error, Drained | GeneratorExit):
        return "released"
    return error.code if isinstance(error, AegisError) else type(error).__name__
