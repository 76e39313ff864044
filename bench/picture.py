"""Draws ratios as bars in an SVG file that is readable on a light and on a dark page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bench.comparison import CHAPTERS, PARAGRAPHS, Peer
from bench.figures import Figure

_WIDTH, _LABEL, _LONGEST, _ROW = 760, 250, 440, 24  # pixels; _LONGEST: of a bar
_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .page { fill: #ffffff } .title { font-weight: 600 } .note { font-size: 11px; fill: #59636e }
  .ours { fill: #1a7f64 } .peer { fill: #8c959f } .limit { stroke: #59636e; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .page { fill: #0d1117 } .note { fill: #9198a1 }
    .ours { fill: #3fb68b } .peer { fill: #656c76 } .limit { stroke: #9198a1 }
  }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """``ratio``: of the limit, from 0."""

    label: str
    ratio: float
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    bars: Sequence[Bar]


def charts_of(figures: Mapping[str, Figure], peers: Sequence[Peer]) -> list[Chart]:
    """A chart for each sort of text, the fastest way first."""
    singly, batched = "Aegis, submitted singly", "Aegis, in batches"
    small = [
        Bar(label, figures[name].value, ours=True)
        for label, name in (
            (singly, "small_documents_ratio"),
            (batched, "batched_documents_ratio"),
            (f"{singly} + Qdrant", "qdrant_small_documents_ratio"),
            (f"{batched} + Qdrant", "qdrant_batched_documents_ratio"),
        )
        if name in figures
    ]
    chapters = [Bar("Aegis", figures["ingest_ratio"].value, ours=True)]
    return [
        _chart("Documents of one paragraph", small, peers, PARAGRAPHS),
        _chart("Chapters of some fifty passages", chapters, peers, CHAPTERS),
    ]


def draw(charts: Sequence[Chart], note: str) -> str:
    """The SVG document. ``note``: a line at the end, on which machine it was measured."""
    parts, y = list[str](), 20
    unit = _LONGEST / max(1.0, *(bar.ratio for chart in charts for bar in chart.bars))
    for chart in charts:
        parts.append(_text(16, y + 4, chart.title, "title"))
        top, y = y + 12, y + 16
        for bar in chart.bars:
            parts += _draw_bar(bar, y, unit)
            y += _ROW
        limit = round(_LABEL + unit)
        parts.append(f'<line class="limit" x1="{limit}" x2="{limit}" y1="{top}" y2="{y}"/>')
        y += 20
    parts.append(
        _text(16, y, "1 is a bare loop of the int8 model over the same texts, in the same run.", "note")
    )
    parts.append(_text(16, y + 16, note, "note"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y + 28}" role="img"'
        f' aria-label="Speed of ingestion beside other libraries">\n<style>{_STYLE}</style>\n'
        f'<rect class="page" width="100%" height="100%" rx="6"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _chart(title: str, ours: Sequence[Bar], peers: Sequence[Peer], sort: str) -> Chart:
    others = [Bar(peer.name, peer.ratios[sort]) for peer in peers if sort in peer.ratios]
    return Chart(title, sorted([*ours, *others], key=lambda bar: -bar.ratio))


def _draw_bar(bar: Bar, y: int, unit: float) -> list[str]:
    """``unit``: pixels of a bar as long as the limit."""
    length = round(bar.ratio * unit, 1)
    kind = "ours" if bar.ours else "peer"
    return [
        _text(_LABEL - 10, y + 15, bar.label, "label", anchor="end"),
        f'<rect class="{kind}" x="{_LABEL}" y="{y + 3}" width="{length}" height="{_ROW - 8}" rx="2"/>',
        _text(round(_LABEL + length + 6), y + 15, f"{bar.ratio:.2f}", "value"),
    ]


def _text(x: int, y: int, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
