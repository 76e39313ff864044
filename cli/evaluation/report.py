"""A run as one HTML file for people: the figures, then every question, wrong answers first.

The file loads nothing and runs nothing. Its texts come from documents and models, so all of them are escaped,
and its policy forbids scripts besides.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from cli.evaluation.markup import Markup, element
from cli.evaluation.run import Run
from cli.evaluation.scoring import GOOD, Hit, Score, Verdict
from cli.evaluation.significance import Difference
from cli.evaluation.summary import ALL, summaries
from cli.evaluation.tables import Table, differences_table, tables_of
from cli.units import many

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; overflow-wrap: anywhere }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin-top: 2rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #8884; overflow-wrap: normal }
th:first-child, td:first-child { text-align: left }
details { border: 1px solid #8886; border-radius: .4rem; padding: .4rem .8rem; margin: .5rem 0 }
summary { cursor: pointer } dt { font-weight: 600; margin-top: .4rem } dd { margin: 0 }
.verdict { border-radius: .3rem; padding: 0 .4rem; background: #8883; font-size: .85rem }
.bad { background: #d33; color: #fff } .good { background: #283; color: #fff }
.kind, .place { opacity: .75; font-size: .85rem } pre { white-space: pre-wrap; font: inherit; margin: 0 }
"""
_BAD = frozenset({Verdict.WRONG, Verdict.ANSWERED, Verdict.REFUSED, Verdict.FAILED})
_ORDER = {verdict: place for place, verdict in enumerate(Verdict)}
_SHOWN = 600
"""Characters of a passage."""

_HITS_OF_GOOD = 3
"""Passages of a right answer: the file stays small enough for a browser."""


def report(run: Run, differences: Sequence[Difference] = ()) -> str:
    """The whole file. ``differences``: from an earlier run."""
    title = f"Answers to {run.name}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(_STYLE)),
    )
    changes = (_table(differences_table(differences)),) if differences else ()
    body = element(
        "body",
        element("h1", title),
        element("p", _subject(run)),
        *map(_table, tables_of(run)),
        *changes,
        *_unread(run.unread),
        element("h2", "Questions, wrong answers first"),
        *(_question(score, run.site) for score in sorted(run.scores, key=lambda s: _ORDER[s.verdict])),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _subject(run: Run) -> str:
    counts = f"{many(len(run.scores), 'question')} about {many(run.documents, 'document')}"
    at = f" at {run.site}" if run.site else ""
    whole = summaries(run.scores)[ALL]
    times = f" Half of the questions took {whole.p50:.0f} ms at most." if whole.p50 is not None else ""
    return f"{counts}, answered by Aegis {run.release}{at}.{times}"


def _table(table: Table) -> Markup:
    head = element("tr", *(element("th", name) for name in table.head))
    rows = (element("tr", *(element("td", cell) for cell in row)) for row in table.rows)
    grid = element("table", element("thead", head), element("tbody", *rows))
    return element("section", element("h2", table.title), element("div", grid, class_="wide"))


def _unread(lines: Sequence[str]) -> Iterable[Markup]:
    if lines:
        yield element("h2", "Documents that could not be ingested")
        yield element("ul", *(element("li", line) for line in lines))


def _question(score: Score, site: str) -> Markup:
    colour = "bad" if score.verdict in _BAD else "good" if score.verdict in GOOD else ""
    verdict = element("span", score.verdict, class_=f"verdict {colour}".strip())
    kind = element("span", score.kind, class_="kind")
    question = element("strong", score.question, dir="auto")
    hits = score.hits[:_HITS_OF_GOOD] if score.verdict in GOOD else score.hits
    nothing = "Only retrieval is judged." if score.answerable else "Nothing: the documents do not tell."
    answer = f"{score.answer}\n({score.reason})" if score.reason else score.answer
    facts = (
        element("dt", "Expected"),
        element("dd", element("pre", score.expected or nothing, dir="auto")),
        element("dt", "Answer"),
        element("dd", element("pre", answer, dir="auto")),
        element("dt", "Passages"),
        element("dd", element("ol", *(_hit(hit, site) for hit in hits)) if hits else "none"),
    )
    return element(
        "details",
        element("summary", verdict, " ", kind, " ", question),
        element("dl", *facts),
        open=score.verdict not in GOOD,
    )


def _hit(hit: Hit, site: str) -> Markup:
    name = f"{hit.document_id}, page {hit.page}" if hit.page else hit.document_id
    address = _address(site, hit.url)
    place = element("a", name, href=address, rel="noreferrer") if address else name
    text = hit.text if len(hit.text) <= _SHOWN else f"{hit.text[:_SHOWN]} …"
    return element(
        "li", element("span", place, f" · {hit.score:.3f}", class_="place"), element("pre", text, dir="auto")
    )


def _address(site: str, path: str) -> str:
    """Of the document in the console; "" where the API does not stay, or names no path of its own."""
    is_path = path.startswith("/") and not path.startswith("//") and path.isascii() and path.isprintable()
    return f"{site}{path}" if is_path and urlsplit(site).scheme in ("http", "https") else ""
