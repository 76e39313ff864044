"""What became of an ingestion: the summary, the exit status, and the reasons for failures in plain words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.text import Text

from cli.ingestion.ingestion import Outcome
from cli.ingestion.sources import Omitted
from cli.tables.views import View
from cli.units import many
from rag.errors import AegisError, Transient
from rag.media import readable_extensions
from rag.system.printable import one_line
from rag.web.jsontypes import Json

DOCUMENTS = View(
    columns=(),
    fields=("name", "state", "document_id", "job_id", "result.chunks", "result.unchanged", "code", "reason"),
    none="",
)

ALL_ARE_IN, SOME_FAILED, NONE_IS_IN = 0, 1, 6
"""Exit statuses. Files that are left out by default, such as hidden ones, are not counted."""

_NAMES_SHOWN = 5
_WARNINGS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Explanation:
    """``title``: the failure in a few words; ``advice``: what the reader can do, or ""."""

    title: str
    advice: str = ""


_AGAIN = "the same command again tries once more"
_LATER = "run the same command again later: it goes on where this one ended"

_BY_CODE: Mapping[str, Explanation] = {
    "unsupported-media": Explanation(
        "no parser reads this type", f"convert to a type that is read: {readable_extensions()}"
    ),
    "document-too-large": Explanation("too large", "split, or have the limit raised where the API runs"),
    "unreadable-document": Explanation(
        "broken, locked or mislabelled", "open and save anew in a program for that type, without a password"
    ),
    "empty-document": Explanation("without text", "nothing is to be found in it: leave it out"),
    "not-recognised": Explanation(
        "pictures of text, which were not read", "set OCR=auto where workers run, and install what recognises"
    ),
    "invalid-request": Explanation("not as the API wants it"),
    "conflict": Explanation("in conflict with what is there"),
    "overloaded": Explanation("the API has no room", _LATER),
    "unavailable": Explanation("a part of the service is away", f"`aegis doctor` says which; {_LATER}"),
    "timed-out": Explanation("not done in time", _AGAIN),
    "out-of-memory": Explanation(
        "too much for the memory", "split, or have the limit raised where workers run"
    ),
    "cancelled": Explanation("cancelled", _AGAIN),
    "same-id": Explanation("another file has this id", "name a folder above both"),
    "unread": Explanation("not readable on this machine", "see that you may read it"),
    "empty": Explanation("empty"),
    "unforeseen": Explanation("failed on this machine for an unexpected reason", _AGAIN),
}


def explain(code: str) -> Explanation:
    """``code``: of a problem, or of a failure on this machine."""
    return _BY_CODE.get(code) or Explanation("failed", f"{_AGAIN}; `aegis dlq` lists what was given up")


def explain_error(error: AegisError) -> str:
    """An error that ended the command, in one line, with what to do."""
    message, explanation = str(error) or error.title, _BY_CODE.get(error.code)
    # Without Retry-After no server answered at all, and the message says everything.
    no_server = isinstance(error, Transient) and error.retry_after is None
    if explanation is None or not explanation.advice or no_server:
        return message
    return f"{message}. {explanation.advice[0].upper()}{explanation.advice[1:]}"


def status_of(outcomes: Sequence[Outcome]) -> int:
    good = sum(outcome.reason is None for outcome in outcomes)
    if not good:
        return NONE_IS_IN
    return ALL_ARE_IN if good == len(outcomes) else SOME_FAILED


def show_summary(
    console: Console, outcomes: Sequence[Outcome], omitted: Sequence[Omitted], *, waited: bool
) -> None:
    """Counts, then the failures and what was left out, both by reason."""
    say(console, count_outcomes(outcomes, waited=waited), "bold")
    failed = sorted((one for one in outcomes if one.reason is not None), key=lambda one: one.code)
    for code, group in groupby(failed, lambda one: one.code):
        explanation, names = explain(code), [one.source.name for one in group]
        say(console, f"  {explanation.title} ({len(names)}): {_some(names)}", "red")
        if explanation.advice:
            say(console, f"    {explanation.advice}")
    warnings = list(_warnings(outcomes))
    for line in warnings[:_WARNINGS_SHOWN]:
        say(console, f"  {line}", "yellow")
    if len(warnings) > _WARNINGS_SHOWN:
        more = many(len(warnings) - _WARNINGS_SHOWN, "more warning")
        say(console, f"  {more}: `aegis documents show ID` has those of a document", "yellow")
    left_out = sorted((one for one in omitted if not one.wanted), key=lambda one: one.reason)
    for reason, those in groupby(left_out, lambda one: one.reason):
        names = [one.name for one in those]
        say(console, f"  left out, {reason} ({len(names)}): {_some(names)}", "dim")


def _warnings(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """What of the documents was not read, a line each."""
    for outcome in outcomes:
        for warning in outcome.result.get("warnings", ()):
            yield f"{outcome.source.name}: {warning['text']}"


def rows_of(outcomes: Iterable[Outcome], omitted: Iterable[Omitted]) -> Iterator[Json]:
    """For programs: a row for each document, and for each thing that was left out."""
    for outcome in outcomes:
        source, result = outcome.source, outcome.result
        ended = "succeeded" if result else "accepted"
        yield {
            "name": source.name,
            "state": ended if outcome.reason is None else "failed",
            "document_id": result.get("document_id") or getattr(source, "document_id", None),
            "job_id": (outcome.job or {}).get("job_id"),
            "reason": outcome.reason,
            "code": outcome.code or None,
            "result": result or None,
        }
    for one in omitted:
        if not one.wanted:
            yield {"name": one.name, "state": "left out", "reason": one.reason}


def count_outcomes(outcomes: Sequence[Outcome], *, waited: bool) -> str:
    """Such as ``12 searchable (3 unchanged), 340 passages; 2 failed``; zero counts are left out."""
    if not outcomes:
        return "there is nothing to ingest"
    good = [outcome for outcome in outcomes if outcome.reason is None]
    text = f"{len(good):,} {'searchable' if waited else 'accepted'}"
    if unchanged := sum(bool(outcome.result.get("unchanged")) for outcome in good):
        text += f" ({unchanged:,} unchanged)"
    if passages := sum(outcome.result.get("chunks", 0) for outcome in good):
        text += f", {many(passages, 'passage')}"
    if failed := len(outcomes) - len(good):
        text += f"; {failed:,} failed"
    return text


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line; a terminal wraps it, a file or pipe gets it whole."""
    console.print(Text(one_line(text), style), highlight=False, soft_wrap=not console.is_terminal)
