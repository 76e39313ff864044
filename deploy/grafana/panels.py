"""Panels, rows and boards of Grafana as the JSON that provisioning reads (dashboard schema version 39).

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Query = tuple[str, str]
"""An expression and the legend of its series."""

SCOPE = 'installation=~"$installation",namespace=~"$namespace"'
"""What ``$scope`` in an expression becomes. A figure without such a label matches the variables' "All"."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
"""Columns of a board."""

UP_OR_AWAY = (
    {
        "type": "value",
        "options": {
            "0": {"text": "away", "color": "red", "index": 0},
            "1": {"text": "up", "color": "green", "index": 1},
        },
    },
)


@dataclass(frozen=True)
class Panel:
    """One panel.

    ``unit``: an id of Grafana's units. ``limit``: from where on a value is bad, or below where with
    ``low``. ``alerts``: the alerts over these figures, whose runbooks the description names. ``board``:
    the name of the board that has more of it.
    """

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str = ""
    limit: float | None = None
    low: bool = False
    alerts: tuple[str, ...] = ()
    board: str = ""
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    mappings: tuple[Json, ...] = ()

    def build(self, number: int, column: int, line: int) -> Json:
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self._description(),
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": column, "y": line},
            "links": [_link(self.board)] if self.board else [],
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": _STAT_OPTIONS if self.kind == "stat" else _SERIES_OPTIONS,
            "targets": [
                self._target(*query, ref) for ref, query in zip("ABCDEF", self.queries, strict=False)
            ],
        }

    def _description(self) -> str:
        runbooks = [f"Runbook of {alert}: docs/runbooks/{alert}.md" for alert in self.alerts]
        return "\n\n".join(filter(None, [self.description, *runbooks]))

    def _defaults(self) -> Json:
        defaults: Json = {
            "unit": self.unit,
            "mappings": list(self.mappings),
            "thresholds": self._thresholds(),
        }
        if self.kind == "stat":
            return defaults
        line = "off" if self.limit is None else "line"
        custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never"}
        return {**defaults, "custom": {**custom, "thresholdsStyle": {"mode": line}}}

    def _thresholds(self) -> Json:
        good, bad = ("red", "green") if self.low else ("green", "red")
        steps: list[Json] = [{"color": good if self.limit is not None else "green", "value": None}]
        if self.limit is not None:
            steps.append({"color": bad, "value": self.limit})
        return {"mode": "absolute", "steps": steps}

    def _target(self, expression: str, legend: str, ref: str) -> Json:
        scoped = " ".join(expression.split()).replace("$scope", SCOPE)
        return {"refId": ref, "datasource": SOURCE, "expr": scoped, "legendFormat": legend}


_SERIES_OPTIONS = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
    "tooltip": {"mode": "multi", "sort": "desc"},
}
_STAT_OPTIONS = {
    "colorMode": "value",
    "graphMode": "area",
    "justifyMode": "auto",
    "orientation": "auto",
    "textMode": "auto",
    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
}


@dataclass(frozen=True)
class Row:
    """Panels under one heading, from left to right, in as many lines as they need."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """``name``: the file's, and the end of the uid."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]

    def build(self) -> Json:
        return {
            "uid": f"aegis-{self.name}",
            "title": f"Aegis: {self.title}",
            "description": self.description,
            "tags": ["aegis"],
            "schemaVersion": 39,
            "version": 1,
            "editable": False,
            "time": {"from": "now-3h", "to": "now"},
            "refresh": "30s",
            "timezone": "browser",
            "graphTooltip": 1,
            "templating": {
                "list": [_source_variable(), *map(_label_variable, ("installation", "namespace"))]
            },
            "annotations": {"list": []},
            "links": [_BOARDS],
            "panels": self._panels(),
        }

    def _panels(self) -> list[Json]:
        made: list[Json] = []
        line = 0
        for row in self.rows:
            made.append(_heading(row.title, len(made) + 1, line))
            line, column, tallest = line + 1, 0, 0
            for panel in row.panels:
                if column + panel.width > WIDTH:
                    line, column, tallest = line + tallest, 0, 0
                made.append(panel.build(len(made) + 1, column, line))
                column, tallest = column + panel.width, max(tallest, panel.height)
            line += tallest
        return made


_BOARDS = {
    "type": "dashboards",
    "title": "Boards",
    "tags": ["aegis"],
    "asDropdown": False,
    "includeVars": True,
    "keepTime": True,
    "targetBlank": False,
    "icon": "external link",
    "tooltip": "",
    "url": "",
}


def _heading(title: str, number: int, line: int) -> Json:
    place = {"h": 1, "w": WIDTH, "x": 0, "y": line}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _link(board: str) -> Json:
    url = f"/d/aegis-{board}?${{__url_time_range}}&${{__all_variables}}"
    return {"title": f"Board: {board}", "type": "link", "url": url}


def _source_variable() -> Json:
    current = {"text": "Prometheus", "value": "prometheus"}
    return {
        "name": "datasource",
        "label": "Source",
        "type": "datasource",
        "query": "prometheus",
        "current": current,
    }


def _label_variable(label: str) -> Json:
    query = f"label_values(aegis_broker_up, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": label},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "sort": 1,
        "current": {"text": ["All"], "value": ["$__all"]},
    }
