"""What became of an ingestion: the last words, and the exit status."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from cli.figures import many
from cli.ingestion import Outcome
from cli.refusals import words_for
from cli.sources import Omitted
from cli.views import View
from rag.jsontypes import Json
from rag.printable import one_line

DOCUMENTS = View(
    columns=(),
    fields=("name", "state", "document_id", "job_id", "result.chunks", "result.unchanged", "code", "reason"),
    none="",
)

ALL_ARE_IN, SOME_FAILED, NONE_IS_IN = 0, 1, 6
"""Exit statuses; what is left out by itself, such as hidden files, counts for neither."""

_NAMES_SHOWN = 5


def status_of(outcomes: Sequence[Outcome]) -> int:
    good = sum(outcome.reason is None for outcome in outcomes)
    if not good:
        return NONE_IS_IN
    return ALL_ARE_IN if good == len(outcomes) else SOME_FAILED


def show_summary(
    console: Console, outcomes: Sequence[Outcome], omitted: Sequence[Omitted], *, waited: bool
) -> None:
    """Counts, then failures and what was left out, each by its reason."""
    _say(console, _counts(outcomes, waited=waited), "bold")
    failed = sorted((one for one in outcomes if one.reason is not None), key=lambda one: one.code)
    for code, group in groupby(failed, lambda one: one.code):
        words, names = words_for(code), [one.found.name for one in group]
        _say(console, f"  {words.title} ({len(names)}): {_some(names)}", "red")
        if words.advice:
            _say(console, f"    {words.advice}")
    for reason, names in _by_reason(omitted):
        _say(console, f"  left out, {reason} ({len(names)}): {_some(names)}", "dim")


def rows_of(outcomes: Iterable[Outcome], omitted: Iterable[Omitted]) -> Iterator[Json]:
    """A row for each document, and for each thing that was left out, for programs."""
    yield from map(_document, outcomes)
    for one in omitted:
        if not one.wanted:
            yield {"name": one.name, "state": "left out", "reason": one.reason}


def _document(outcome: Outcome) -> Json:
    found, result = outcome.found, outcome.result
    ended = "succeeded" if result else "accepted"
    return {
        "name": found.name,
        "state": ended if outcome.reason is None else "failed",
        "document_id": result.get("document_id") or getattr(found, "document_id", None),
        "job_id": (outcome.job or {}).get("job_id"),
        "reason": outcome.reason,
        "code": outcome.code or None,
        "result": result or None,
    }


def _counts(outcomes: Sequence[Outcome], *, waited: bool) -> str:
    """Such as ``12 searchable (3 unchanged), 340 passages; 2 failed``, without what there is none of."""
    if not outcomes:
        return "there is nothing to ingest"
    good = [outcome for outcome in outcomes if outcome.reason is None]
    told = f"{len(good):,} {'searchable' if waited else 'accepted'}"
    if unchanged := sum(bool(outcome.result.get("unchanged")) for outcome in good):
        told += f" ({unchanged:,} unchanged)"
    if passages := sum(outcome.result.get("chunks", 0) for outcome in good):
        told += f", {many(passages, 'passage')}"
    if failed := len(outcomes) - len(good):
        told += f"; {failed:,} failed"
    return told


def _by_reason(omitted: Iterable[Omitted]) -> Iterator[tuple[str, list[str]]]:
    ordered = sorted((one for one in omitted if not one.wanted), key=lambda one: one.reason)
    for reason, group in groupby(ordered, lambda one: one.reason):
        yield reason, [one.name for one in group]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(one_line(text), style), highlight=False, soft_wrap=not console.is_terminal)
