"""Grafana's boards as files: what the generator writes, in the form that provisioning reads."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rag.model import Json
from tests.alertrules import REPOSITORY, rule_files, run_promtool

GRAFANA = REPOSITORY / "deploy/grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
NAMES = {"overview", "lanes", "models", "dependencies", "backups", "service-levels"}
UNITS = {"short", "s", "percentunit", "bytes", "reqps", "ops"}
WINDOW = "$__rate_interval"

BOARDS: dict[str, Json] = {file.stem: json.loads(file.read_text("utf-8")) for file in FILES}
each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS.keys())


def panels(board: Json) -> list[Json]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(board: Json) -> list[str]:
    return [target["expr"] for panel in panels(board) for target in panel["targets"]]


def test_the_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    generator = GRAFANA / "generator.py"
    subprocess.run([sys.executable, "-B", generator, tmp_path], check=True)

    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        file.name: file.read_text() for file in FILES
    }
    assert BOARDS.keys() == NAMES


@each_board
def test_a_board_has_the_form_that_provisioning_reads(board: Json) -> None:
    assert board["uid"] in {f"aegis-{name}" for name in NAMES}
    assert board["title"].startswith("Aegis: ")
    assert board["schemaVersion"] >= 36
    assert "dashboard" not in board, "that is the form of Grafana's API"
    assert "id" not in board, "it is the server's"


@each_board
def test_each_panel_has_a_kind_a_unit_and_a_place_of_its_own(board: Json) -> None:
    assert {panel["type"] for panel in panels(board)} <= {"timeseries", "stat"}
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in panels(board)} <= UNITS
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    places = [panel["gridPos"] for panel in board["panels"]]
    taken = [
        (column, line)
        for place in places
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert {column for column, _ in taken} <= set(range(24))


def test_a_limit_is_a_threshold_that_is_drawn() -> None:
    limited = [
        panel["fieldConfig"]["defaults"]
        for board in BOARDS.values()
        for panel in panels(board)
        if len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) == 2
    ]

    assert len(limited) > 20
    for defaults in limited:
        colors = {step["color"] for step in defaults["thresholds"]["steps"]}
        assert colors == {"green", "red"}
        assert defaults.get("custom", {}).get("thresholdsStyle", {"mode": "line"}) == {"mode": "line"}


@each_board
def test_the_source_and_the_installation_are_chosen_by_variables(board: Json) -> None:
    variables = {each["name"]: each for each in board["templating"]["list"]}
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/aegis.yml").read_text("utf-8"))
    sources = {each["uid"]: each["type"] for each in provisioned["datasources"]}

    assert variables.keys() == {"datasource", "installation", "namespace"}
    assert sources[variables["datasource"]["current"]["value"]] == "prometheus"
    assert {variables[name]["allValue"] for name in ("installation", "namespace")} == {".*"}
    used = [part["datasource"]["uid"] for panel in panels(board) for part in (panel, *panel["targets"])]
    assert set(used) == {"${datasource}"}


@each_board
def test_every_figure_is_of_the_chosen_installations(board: Json) -> None:
    for query in queries(board):
        figures = re.findall(
            r"\b(?:aegis[_:]\w[\w:]*|http_\w+|rest_\w+|memory_\w+|up|ALERTS)\b(?=[{\[ )]|$)", query
        )
        selected = [name for name in figures if name != "aegis:slo_objective:ratio"]
        assert len(selected) == query.count('installation=~"$installation",namespace=~"$namespace"'), query


@each_board
def test_a_link_leads_to_a_board_that_there_is_and_keeps_what_was_chosen(board: Json) -> None:
    (boards,) = board["links"]
    assert (boards["type"], boards["tags"]) == ("dashboards", board["tags"])
    assert boards["includeVars"]
    for link in (link for panel in panels(board) for link in panel["links"]):
        (name,) = re.findall(
            r"^/d/aegis-([a-z-]+)\?\$\{__url_time_range\}&\$\{__all_variables\}$", link["url"]
        )
        assert name in NAMES


def test_each_alert_is_beside_its_figures_with_the_place_of_its_runbook() -> None:
    text = " ".join(panel["description"] for board in BOARDS.values() for panel in panels(board))
    named = set(re.findall(r"docs/runbooks/(Aegis\w+)\.md", text))

    assert named == {rule["alert"] for file in rule_files() for rule in file.rules()}


@each_board
def test_quantiles_are_of_all_processes_together(board: Json) -> None:
    for query in queries(board):
        if "histogram_quantile" in query:
            assert re.search(r", sum by \(le\b[^)]*\) \(rate\(\w+_bucket\{", query), query


def test_the_operators_two_panels_are_there_and_errors_are_a_share() -> None:
    overview = {panel["title"]: [t["expr"] for t in panel["targets"]] for panel in panels(BOARDS["overview"])}

    assert all("rate(http_requests_total{" in query for query in overview["Requests"])
    assert len(overview["Response time"]) == 3
    (errors,) = overview["Share of server errors"]
    assert " / sum(rate(http_requests_total{" in errors


def test_each_query_is_one(tmp_path: Path) -> None:
    asked = [query for board in BOARDS.values() for query in queries(board)]
    rules = [
        {"record": f"panel:query:{number}", "expr": query.replace(WINDOW, "1m")}
        for number, query in enumerate(asked)
    ]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "boards", "rules": rules}]}), "utf-8")

    assert f"{len(asked)} rules found" in run_promtool("check", "rules", str(file))
