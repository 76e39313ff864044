"""The errors of job records, with the members of RFC 9457."""

from rag.errors import AegisError
from rag.model import Job, Json

CRASHED = "crashed"
"""The reason of a job whose stage was begun too often and never ended."""

_TYPE = "urn:aegis:problem:"
_LONGEST_DETAIL = 2_000


def problem(error: Exception, job: Job) -> Json:
    """The error of an attempt. The text of an unexpected one reveals no internals."""
    kind = type(error) if isinstance(error, AegisError) else AegisError
    unexpected = f"Unexpected {type(error).__name__}; the worker's log has more"
    detail = str(error) if isinstance(error, AegisError) else unexpected
    return _members(job, job.attempts, kind.code, kind.title, detail)


def given_up(job: Job, attempts: int, reason: str, last: Json | None) -> Json:
    """The error of a job that dies after ``attempts`` at its stage. ``last``: the error of one of them."""
    detail = f"Given up after {attempts} attempts at stage {job.stage} and {job.retries} retries in all"
    if reason == CRASHED:
        detail += ": its worker did not survive it"
    if last:
        detail += f". Last error: {last['detail']}"
    return _members(job, attempts, reason, "The job was given up", detail)


def reason_of(error: Json | None) -> str:
    """The class of an error, a code of ``rag.errors``; "crashed" without one."""
    return str(error["type"]).removeprefix(_TYPE) if error else CRASHED


def _members(job: Job, attempts: int, code: str, title: str, detail: str) -> Json:
    return {
        "type": f"{_TYPE}{code}",
        "title": title,
        "detail": detail[:_LONGEST_DETAIL],
        "stage": job.stage.value,
        "attempts": attempts,
    }
