"""Files of alerts, judged by Prometheus' own tool over the figures of installations that are made up.

Each scenario has an installation at which something is amiss beside one that is well. Both have two API
processes.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from rag.model import Json
from tests.chaos.requirements import missing

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "deploy" / "prometheus"

BEFORE = 5  # looks at which nothing is amiss yet


def rule_files() -> "list[AlertFile]":
    """All files of rules, without figures."""
    return [AlertFile(file, {}) for file in sorted(FOLDER.glob("*.rules.yml"))]


@dataclass(frozen=True)
class Rising:
    """A counter that grows by so much from look to look."""

    by: float


Figures = Mapping[str, "float | Rising | None"]
"""By name, with labels; None: absent."""


@dataclass(frozen=True)
class Case:
    """``figures`` in place of those that are well; None: absent. ``after``: minutes until it alerts.

    ``near``: others, which are just not bad enough. ``summary``: of the alert.
    """

    alert: str
    summary: str
    figures: Figures
    near: Figures = field(default_factory=dict)
    after: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AlertFile:
    """``well``: the figures of an installation at which nothing is amiss."""

    path: Path
    well: Figures

    def rules(self) -> list[Json]:
        """The alerts, without the rules that only record."""
        return [rule for rule in self.all_rules() if "alert" in rule]

    def all_rules(self) -> list[Json]:
        groups = yaml.safe_load(self.path.read_text("utf-8"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def rule(self, alert: str) -> Json:
        return next(rule for rule in self.rules() if rule["alert"] == alert)

    def scenario(self, figures: Figures, minute: int, *raised: Json, step: int = 1) -> Json:
        """An installation with these figures beside one that is well: just ``raised`` alert then."""
        names = sorted({rule["alert"] for rule in self.rules()})
        return {
            "interval": f"{step}m",
            "input_series": [
                *self._told("ill", figures, minute // step),
                *self._told("well", {}, minute // step),
            ],
            "alert_rule_test": [
                {
                    "eval_time": f"{minute}m",
                    "alertname": name,
                    "exp_alerts": [each["alert"] for each in raised if each["name"] == name],
                }
                for name in names
            ],
        }

    def expected(self, case: Case) -> Json:
        """The alert as it should come: once, of the one installation."""
        rule = self.rule(case.alert)
        labels = {**rule["labels"], **case.labels, "namespace": "ill"}
        annotations = {**rule["annotations"], "summary": case.summary}
        return {"name": case.alert, "alert": {"exp_labels": labels, "exp_annotations": annotations}}

    def judge(self, folder: Path, *scenarios: Json, step: int = 1) -> None:
        """Fails unless each scenario raises what it says; ``step``: minutes between two looks."""
        file = folder / "alerts.yml"
        content = {
            "rule_files": [str(self.path)],
            "evaluation_interval": f"{step}m",
            "tests": list(scenarios),
        }
        file.write_text(json.dumps(content), "utf-8")
        run_promtool("test", "rules", str(file))

    def _told(self, installation: str, figures: Figures, looks: int) -> list[Json]:
        """Series of two API processes, which were well at the first BEFORE looks."""
        return [
            {
                "series": _named(name, installation, pod),
                "values": _values(well, figures.get(name, well), looks),
            }
            for name, well in self.well.items()
            for pod in ("a", "b")
        ]


def _named(name: str, installation: str, pod: str) -> str:
    metric, _, labels = name.partition("{")
    own = f'{{namespace="{installation}",pod="{pod}",instance="{pod}:8910"'
    return f"{metric}{own},{labels}" if labels else f"{metric}{own}}}"


def _values(well: float | Rising | None, figure: float | Rising | None, looks: int) -> str:
    """What is well for a while, and what follows it."""
    first = f"0+{well.by}x{BEFORE - 1}" if isinstance(well, Rising) else f"{well}x{BEFORE - 1}"
    if figure is None:
        return f"{first} stale _x{looks}"
    if isinstance(figure, Rising):
        reached = well.by * BEFORE if isinstance(well, Rising) else 0
        return f"{first} {reached}+{figure.by}x{looks}"
    return f"{first} {figure}x{looks}"


def run_promtool(*arguments: str) -> str:
    """What Prometheus' tool says. Fails where it finds a fault, and where CI lacks it."""
    program = shutil.which("promtool")
    if program is None:
        missing("promtool, which comes with Prometheus")
    told = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout
