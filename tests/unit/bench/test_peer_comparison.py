"""What the comparison with other libraries makes of what it measured, and the picture of it."""

import ast
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import comparison
from bench.comparison import BUILT, CHAPTERS, PARAGRAPHS, PLAIN_QDRANT, PUBLISHED, Peer, add_peers
from bench.figures import Figure
from bench.picture import Bar, Chart, charts_of, draw
from rag.errors import Unavailable

PROGRAMS = sorted((comparison.ROOT / "bench" / "peers").glob("*.py"))
OURS = {
    "small_documents_ratio": Figure(0.6, ""),
    "batched_documents_ratio": Figure(0.8, ""),
    "ingest_ratio": Figure(0.9, ""),
    "qdrant_small_documents_ratio": Figure(0.5, ""),
    "qdrant_batched_documents_ratio": Figure(0.7, ""),
}


def peer(program: str, model: str, paragraphs: float, chapters: float | None = None) -> Peer:
    ratios = {PARAGRAPHS: paragraphs} | ({} if chapters is None else {CHAPTERS: chapters})
    return Peer(program, model, rates=ratios, ratios=ratios)


PEERS = [
    peer("LlamaIndex", PUBLISHED, 0.3, 0.45),
    peer("LlamaIndex", BUILT, 0.8, 0.9),
    peer("FastAPI", PUBLISHED, 0.4),
]


def test_aegis_is_compared_with_the_fastest_program_that_runs_the_published_weights() -> None:
    figures = add_peers(OURS, PEERS)

    assert figures["small_documents_vs_best_peer"].value == pytest.approx(1.5)
    assert figures["small_documents_vs_best_peer"].unit == "of FastAPI, fp32"
    assert figures["batched_documents_vs_best_peer"].value == pytest.approx(2.0)
    assert figures["chapters_vs_best_peer"].value == pytest.approx(2.0)


def test_programs_with_the_model_of_aegis_are_compared_by_themselves() -> None:
    figures = add_peers(OURS, PEERS)

    assert figures["small_documents_vs_best_peer_int8"].value == pytest.approx(0.75)
    assert figures["small_documents_vs_best_peer_int8"].unit == "of LlamaIndex, int8"


def test_the_ratio_of_every_program_stands_beside_that_of_aegis() -> None:
    figures = add_peers(OURS, PEERS)

    assert figures["ingest_ratio"].peers == {"LlamaIndex, fp32": 0.45, "LlamaIndex, int8": 0.9}


def test_with_a_qdrant_server_aegis_is_compared_with_the_plain_way() -> None:
    with_server = [*PEERS, peer(PLAIN_QDRANT, PUBLISHED, 0.2), peer(PLAIN_QDRANT, BUILT, 0.25)]

    assert add_peers(OURS, with_server)["qdrant_small_documents_vs_plain_way"].value == pytest.approx(2.0)
    assert "qdrant_small_documents_vs_plain_way" not in add_peers(OURS, PEERS)


def test_a_program_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(Unavailable, match="it broke"):
        comparison._run([sys.executable, "-c", "raise SystemExit('it broke')"])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_programs_import_nothing_of_aegis(program: Path) -> None:
    nodes = list(ast.walk(ast.parse(program.read_text("utf-8"))))
    named = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    named += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]

    ours = [name for name in named if name.split(".")[0] in {"rag", "tasks", "workers", "api", "cli", "beat"}]
    assert ours == []
    assert all(name.startswith("bench.peers") for name in named if name.startswith("bench"))


def test_the_picture_has_a_bar_for_each_way_the_fastest_first() -> None:
    small, chapters = charts_of(OURS, PEERS)

    assert [bar.label for bar in small.bars][:2] == ["Aegis, in batches", "LlamaIndex, int8"]
    assert [bar.label for bar in chapters.bars] == ["Aegis", "LlamaIndex, int8", "LlamaIndex, fp32"]


def test_the_picture_is_svg_whose_bars_stay_within_it() -> None:
    drawn = draw([Chart("A < B", [Bar("<ours>", 2.5, ours=True), Bar("theirs", 0.5)])], "two cores & more")

    root = ElementTree.fromstring(drawn)
    width = float(root.attrib["viewBox"].split()[2])
    bars = [each for each in root.iter("{http://www.w3.org/2000/svg}rect") if "x" in each.attrib]
    lengths = [float(each.attrib["width"]) for each in bars]
    assert lengths[0] == pytest.approx(5 * lengths[1], rel=0.01)
    assert all(float(each.attrib["x"]) + float(each.attrib["width"]) < width for each in bars)
    assert {"A < B", "<ours>", "two cores & more"} <= {each.text for each in root.iter()}
    assert "prefers-color-scheme: dark" in drawn
